"""Write config/schema.json and the tables of config/README.md from the code that reads config/.

One schema serves all files of config/, each of which has some of its top-level keys.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier import blocks, dialects, engine_block, quantizers, techniques
from frontier.blocks import Decides
from frontier.catalogue import devices, entries, examples, loads, models, question
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config
from frontier.catalogue.recipe import AdapterRecipe, Recipe
from frontier.datasets import LOADERS
from frontier.engine_block import EngineBlock
from frontier.engines import ENGINES
from frontier.engines.common import server_keys
from frontier.errors import run
from frontier.quantizers import QUANTIZERS, Quantizer
from frontier.registry import Registry
from frontier.scorers import SCORERS
from frontier.serving import containers
from frontier.techniques import TECHNIQUES, Technique

SCHEMA, README = Path("config/schema.json"), Path("config/README.md")
REGISTRIES: dict[str, Registry[Any]] = {
    "quantizers": QUANTIZERS,
    "datasets": LOADERS,
    "engines": ENGINES,
    "scorers": SCORERS,
    "techniques": TECHNIQUES,
}
SHARED: dict[str, type[BaseModel]] = {
    "quantizers": Quantizer, "engines": EngineBlock, "techniques": Technique,
}  # fmt: skip
"""The base classes whose keys have their own table."""
PLUGINS = {
    "quantizers": ("Quantizer", "method"),
    "engines": ("Engine", "kind"),
    "scorers": ("ScorerKeys", "kind"),
    "techniques": ("Technique", "kind"),
}
LIKE = "like"
REDONE = {
    "fetch": "fetching and all later steps",
    "sample": "sampling and all later steps",
    "measure": "measuring and all later steps",
    "load": "measuring in the scenario `server`, and all later steps",
    "score": "scoring, table and report",
    "show": "the report",
    "operate": "nothing",
    "plan": "nothing, unless the plan changes",
}


def options(package: str) -> Mapping[str, type[BaseModel]]:
    """The classes whose fields are the keys of a package's plug-ins."""
    return REGISTRIES[package].all()


def schema() -> dict[str, Any]:
    """The JSON schema of all configuration files together."""
    _, whole = models_json_schema([(Catalogue, "validation"), (Config, "validation")])
    parts = whole["$defs"]
    tops = [parts.pop("Catalogue"), parts.pop("Config")]
    for package, (name, key) in PLUGINS.items():
        shared = parts[name]["properties"]
        variants = []
        for module, kind in options(package).items():
            own = kind.model_json_schema()
            parts |= own.pop("$defs", {})
            own["properties"] = {**shared, key: {"const": module}, **own.get("properties", {})}
            own["required"] = [key, *own.get("required", [])]
            own["title"] = f"{name}: {module}"
            variants.append(own)
        parts[name] = {"oneOf": variants}
        if LIKE in shared:
            # Its kind, and so its keys, may come from the other block.
            every: dict[str, Any] = {key: {} for one in variants for key in one["properties"]}
            taking = {"properties": every, "required": [LIKE], "additionalProperties": False}
            parts[name]["oneOf"].append({"title": f"{name}: like another", **taking})
    for part in parts.values():
        if LIKE in part.get("properties", {}) and "required" in part:
            part["anyOf"] = [{"required": part.pop("required")}, {"required": [LIKE]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llm-frontier configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": tops[0]["properties"] | tops[1]["properties"],
        "$defs": dict(sorted(parts.items())),
    }


def _type(part: dict[str, Any]) -> str:
    """A short word for a JSON schema's type."""
    if "enum" in part:
        return " \\| ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    if "anyOf" in part:
        return " \\| ".join(_type(one) for one in part["anyOf"] if one.get("type") != "null")
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if "$ref" in part:
        return "block"
    names = {"object": "block", "integer": "whole number", "boolean": "yes/no", "string": "text"}
    if part.get("format") == "date":
        return "date"
    kind: str = part.get("type", "any")
    return names.get(kind, kind)


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, (BaseModel, dict)):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{json.dumps(value, default=str)}`"


def table(kind: type[BaseModel], beyond: type[BaseModel] | None = None) -> str:
    """A block's keys as a Markdown table: its own, where all others are those of `beyond`."""
    shared = beyond.model_fields if beyond else {}
    fields = {
        name: field
        for name, field in kind.model_fields.items()
        if name not in shared or field.annotation != shared[name].annotation
    }
    if not fields:
        return ""
    properties = kind.model_json_schema()["properties"]
    marks = {
        name: next((mark.stage for mark in field.metadata if isinstance(mark, Decides)), None)
        for name, field in fields.items()
    }
    redone = any(marks.values())
    head = ["key", "value", "default", "meaning", *(["redone when changed"] if redone else [])]
    rows = [head, ["---"] * len(head)]
    for name, field in fields.items():
        meaning = (field.description or "").replace("\n", " ").replace("|", "\\|")
        step = marks[name]
        key = field.alias or name
        row = [f"`{key}`", _type(properties[key]), _default(field), meaning]
        rows.append([*row, *([REDONE[step] if step else ""] if redone else [])])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def plugins(package: str) -> str:
    """The tables of every module's own keys."""
    parts = []
    for name, kind in options(package).items():
        about = sys.modules[kind.__module__].__doc__ or ""
        first = about.strip().split("\n\n")[0].replace("\n", " ")
        parts.append(f"**`{name}`** {first}\n")
        if own := table(kind, SHARED.get(package)):
            parts.append(own)
    return "\n".join(parts)


def readme(text: str) -> str:
    """The README with its tables regenerated between their markers."""
    modules = (
        dialects, containers, server_keys, entries, examples, models, devices, loads, engine_block,
        blocks, quantizers, question, techniques,
    )  # fmt: skip
    kinds: dict[str, type[BaseModel]] = {"Recipe": Recipe, "AdapterRecipe": AdapterRecipe}
    for module in modules:
        kinds |= vars(module)

    def filled(match: re.Match[str]) -> str:
        what, name = match[1], match[2]
        content = table(kinds[name]) if what == "table" else plugins(name)
        return f"<!-- {what} {name} -->\n{content}<!-- end -->"

    return re.sub(r"<!-- (table|plugins) (\w+) -->\n.*?<!-- end -->", filled, text, flags=re.DOTALL)


def main() -> None:
    """Writes both files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    run(main)
