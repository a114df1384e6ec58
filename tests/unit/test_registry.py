"""The registry: plug-ins found by their place, and what does not fit its contract named."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import frontier
from frontier.errors import UserError
from frontier.registry import Registry

BASE = """
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar
from pydantic import BaseModel

class Mark:
    pass

class Colour(BaseModel, ABC):
    UNIT: ClassVar[str]
    label: Annotated[str | None, Mark()] = None

    @abstractmethod
    def mixed(self, other: str, share: float) -> str: ...

    def bright(self) -> bool:
        return False

    @classmethod
    def of(cls, name: str) -> str:
        return name

class Mixed(Colour, ABC):
    PARTS: ClassVar[int]
"""
FITS = """
from typing import Annotated
from frontier.colours import Colour, Mark

class _Helper(Colour):
    pass

class Red(Colour):
    UNIT = "nm"
    depth: Annotated[int, Mark()] = 1

    def mixed(self, other: str, share: float, more: int = 0) -> str:
        return other
"""
BROKEN = {
    "no class": ("x = 1", "has no class that derives from Colour"),
    "another class": ("class Red:\n    pass", "derives from Colour (there are: Red)"),
    "an imported class": ("from frontier.colours import Colour", "has no class that derives"),
    "two classes": (
        FITS + "\nclass Blue(Red):\n    pass\n",
        "Red and Blue derive from Colour: a file holds one",
    ),
    "a mistyped method": (
        FITS.replace("def mixed", "def mixde"),
        "class Red lacks mixed() (did you mean 'mixde'?)",
    ),
    "no constant": (
        FITS.replace('UNIT = "nm"', "pass"),
        "class Red lacks UNIT, which Colour declares",
    ),
    "no constant of a base between": (
        FITS.replace("(Colour)", "(Mixed)").replace("import Colour", "import Mixed"),
        "class Red lacks PARTS, which Mixed declares",
    ),
    "no mark": (
        FITS.replace("Annotated[int, Mark()]", "int"),
        "class Red does not mark the key depth with the stage that it decides (Mark)",
    ),
    "another mark": (
        FITS.replace("Annotated[int, Mark()]", "Annotated[int, 'else']"),
        "class Red does not mark the key depth with the stage that it decides (Mark)",
    ),
    "fewer arguments": (
        FITS.replace(", share: float, more: int = 0", ""),
        "class Red has a mixed() that does not take (self, other, share): too many positional",
    ),
    "more arguments": (
        FITS.replace("more: int = 0", "more: int"),
        "does not take (self, other, share): missing a required argument: 'more'",
    ),
    "no method": (
        FITS + "\n    @property\n    def bright(self) -> bool:\n        return True\n",
        "class Red has a bright that is not a function like Colour's",
    ),
    "two faults": (
        FITS.replace('UNIT = "nm"', "pass").replace("def mixed", "def mix"),
        "class Red lacks mixed() (did you mean 'mix'?); lacks UNIT, which Colour declares",
    ),
    "a syntax error": ("\n\nclass Red(:\n", "cannot be imported (line 3): SyntaxError:"),
    "a missing package": (
        "\nimport no_such_package",
        "cannot be imported (line 2): ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "a constant that nobody knows": (
        FITS.replace("UNIT =", "UNITS ="),
        "cannot be imported (line 8): PydanticUserError: A non-annotated attribute was detected",
    ),
    "a fault while loading": ("x = 1\ny = z", "cannot be imported (line 2): NameError:"),
}


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Registry]]:
    """Writes the kind's files, and gives its registry."""
    folder = tmp_path / "colours"
    monkeypatch.setattr(frontier, "__path__", [*frontier.__path__, str(tmp_path)])

    def of(**files: str) -> Registry:
        (folder / "common").mkdir(parents=True)
        (folder / "common" / "__init__.py").touch()
        for name, text in {"__init__": BASE, **files}.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        from frontier import colours

        return Registry("colours", colours.Colour, colours.Mark)

    yield of
    for name in [name for name in sys.modules if name.startswith("frontier.colours")]:
        del sys.modules[name]
    vars(frontier).pop("colours", None)


def test_found_by_place(colours: Callable[..., Registry]) -> None:
    """A file is a plug-in, a package is not, and nothing is imported before it is needed."""
    registry = colours(red=FITS, broken=BROKEN["a fault while loading"][0])
    assert registry.names() == ("broken", "red")
    assert registry.module("red") not in sys.modules
    red = registry.load("red")
    assert red.__name__ == "Red"
    assert registry.load("red") is red
    assert registry.name_of(red) == "red"
    assert registry.module("red") == red.__module__


def test_unknown_names(colours: Callable[..., Registry]) -> None:
    """The nearest name, behind the file and key that asked."""
    registry = colours(red=FITS, green=FITS)
    with pytest.raises(UserError) as caught:
        registry.load("redd", "config/x.yaml: colours.a.kind")
    assert (
        str(caught.value)
        == "config/x.yaml: colours.a.kind: unknown id 'redd' (did you mean 'red'?)"
    )
    with pytest.raises(UserError, match=r"^frontier/colours: unknown id 'common'"):
        registry.load("common")


@pytest.mark.parametrize("fault", BROKEN)
def test_what_does_not_fit_is_named(colours: Callable[..., Registry], fault: str) -> None:
    """One line with the file and what it lacks; the others still work."""
    text, expected = BROKEN[fault]
    registry = colours(red=FITS, broken=text)
    assert registry.load("red").__name__ == "Red"
    with pytest.raises(UserError) as caught:
        registry.load("broken")
    message = str(caught.value)
    assert message.startswith("frontier/colours/broken.py: ")
    assert expected in message
    assert "\n" not in message
    with pytest.raises(UserError):
        registry.all()
