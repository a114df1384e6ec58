"""Rendering of charts to SVG and PNG without a network, and to SVG for inclusion in a page."""

from __future__ import annotations

import re
from html import escape
from typing import Any
from xml.etree import ElementTree

import vl_convert

from frontier.catalogue.ids import SEPARATOR

VEGA_LITE = "6.4"
PNG_SCALE = 2.0
SVG = "http://www.w3.org/2000/svg"


def render(chart: dict[str, Any]) -> str:
    """A Vega-Lite chart as SVG text; external data is refused."""
    svg: str = vl_convert.vegalite_to_svg(chart, vl_version=VEGA_LITE, allowed_base_urls=[])
    return svg


def png(svg: str) -> bytes:
    """An SVG as PNG, at twice its size."""
    return bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def described(svg: str, name: str, title: str, description: str) -> str:
    """An SVG that scales with its container, has a description, and shares no id with another.

    A mark's description becomes `data-variant`, or `data-drawn` if it begins with "=". `name` is
    unique in the page: it prefixes the ids (clip paths), which a page has only once.
    Raises ElementTree.ParseError for invalid XML.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, f"{name}{SEPARATOR}{value}")
            elif "url(#" in value:
                element.set(key, re.sub(r"url\(#", f"url(#{name}{SEPARATOR}", value))
    for element in root.iter():
        kind, _, mark = element.get("aria-roledescription", "").partition(" ")
        if mark == "mark" and (label := element.attrib.pop("aria-label", None)) is not None:
            del element.attrib["aria-roledescription"]
            element.attrib.pop("role", None)
            if label.startswith("="):
                element.set("data-drawn", label[1:])
            else:
                element.set("data-variant", label)
                element.set("data-kind", kind)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    names = [f"{name}{SEPARATOR}{part}" for part in ("title", "desc")]
    root.set("role", "img")
    root.set("aria-labelledby", " ".join(names))
    body = ElementTree.tostring(root, encoding="unicode")
    labels = (
        f'<title id="{names[0]}">{escape(title, quote=False)}</title>'
        f'<desc id="{names[1]}">{escape(description, quote=False)}</desc>'
    )
    return re.sub(r"^(<svg[^>]*>)", lambda found: found.group(1) + labels, body, count=1)
