"""Differences between two recorded identities, down to the key, module or package.

A record is the `depends_on` of a result (planning/step.py). Reads no file, and accepts records of
other releases and from other people as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from frontier.identity import canonical


class Absent(Enum):
    """Marks a missing value, unlike null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Key:
    """A key of the specification with a different value."""

    path: tuple[str, ...]
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON, without `old` or `new` if there was no such key."""
        return {"kind": "key", "key": ".".join(self.path), **_values(self.old, self.new)}


@dataclass(frozen=True)
class Input:
    """An input with a different digest, and the differences within it.

    `rule`: the rule that produces it, whose keys and modules are in `within`.
    """

    name: str
    old: Any
    new: Any
    within: tuple[Difference, ...] = ()
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON, including those within it."""
        own = {"kind": "input", "input": self.name, **_values(self.old, self.new)}
        if self.rule:
            own["rule"] = self.rule
        return own | {"differences": [one.as_json() for one in self.within]}


@dataclass(frozen=True)
class Module:
    """One of our modules whose code the result depends on."""

    name: str
    change: Literal["added", "removed", "changed"]

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "module", "module": self.name, "change": self.change}


@dataclass(frozen=True)
class Package:
    """A package with a different version, or one used only before or only now."""

    name: str
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "package", "package": self.name, **_values(self.old, self.new)}


@dataclass(frozen=True)
class Command:
    """The command line of a rule, as in the rule's file."""

    rule: str
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "command", "rule": self.rule, **_values(self.old, self.new)}


Difference = Key | Input | Module | Package | Command


def differences(old: Any, new: Any) -> tuple[Difference, ...]:
    """The differences between two records: the catalogue's keys first, then inputs, then code."""
    return tuple(_differences(_mapping(old), _mapping(new)))


def leaves(found: Iterable[Difference], where: str = "") -> Iterator[tuple[str, Difference]]:
    """The basic differences, each with the inputs that contain it ("sample: ").

    That is, the differences within an input instead of the input.
    """
    for one in found:
        if isinstance(one, Input) and one.within:
            yield from leaves(one.within, f"{where}{one.name}: ")
        else:
            yield where, one


def of_an_update(where: str, one: Difference) -> bool:
    """True if an update of the code or of packages can cause a difference from `leaves`."""
    # A separate environment's packages and Python version.
    return isinstance(one, Module | Package | Command) or "environment: " in where


def weight(found: Iterable[Difference]) -> tuple[int, int]:
    """The distance of two records: first by keys and inputs, then by code.

    Keys and the contents of inputs outweigh any number of modules, packages and commands.
    """
    ends = [one for _, one in leaves(found)]
    asked = sum(isinstance(one, Key | Input) for one in ends)
    return asked, len(ends) - asked


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old.get("rule") != new.get("rule"):
        # Nothing else is comparable, for example a model fetched before and grown now.
        yield Key(("rule",), old.get("rule", ABSENT), new.get("rule", ABSENT))
        return
    before, after = _mapping(old.get("spec")), _mapping(new.get("spec"))
    if "pins" in before and "pins" in after:
        yield from _packages(_pinned(before["pins"]), _pinned(after["pins"]))
        before, after = ({**one, "pins": None} for one in (before, after))
    yield from _keys(before, after)
    yield from _inputs(old, new)
    if old.get("command") != new.get("command"):
        yield Command(str(new.get("rule")), old.get("command", ABSENT), new.get("command", ABSENT))
    yield from _code(old, new)
    yield from _packages(_mapping(old.get("packages")), _mapping(new.get("packages")))


def _keys(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """The innermost values that differ; lists of equal length are compared item by item."""
    if _same(old, new):
        return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (dict(zip(map(str, range(len(one))), one, strict=True)) for one in (old, new))
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        yield Key(path, old, new)
        return
    for key in _names(old, new):
        yield from _keys(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))


def _inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Input]:
    before, after = _mapping(old.get("inputs")), _mapping(new.get("inputs"))
    sources, others = _mapping(old.get("upstream")), _mapping(new.get("upstream"))
    for name in _names(before, after):
        one, other = before.get(name, ABSENT), after.get(name, ABSENT)
        if _same(one, other):
            continue
        within: tuple[Difference, ...] = ()
        rule = None
        if name in sources and name in others:
            within = differences(sources[name], others[name])
            rule = _mapping(others[name]).get("rule")
        elif isinstance(one, Mapping) and isinstance(other, Mapping):  # a pinned place
            within = tuple(_keys(one, other))
        yield Input(name, one, other, within, rule)


def _code(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Module]:
    """The modules whose definitions differ, ignoring definitions that only moved."""
    if "definitions" in old and old["definitions"] == new.get("definitions"):
        return
    modules = list(_modules(_mapping(old.get("code")), _mapping(new.get("code"))))
    if not modules and old.get("definitions") != new.get("definitions"):
        # Each definition is unchanged, but one refers to another one of the same name.
        modules = [Module("what is imported from where", "changed")]
    yield from modules


def _modules(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Module]:
    """The differing modules by digest: a renamed or moved module is the same module."""
    known, found = set(map(canonical, old.values())), set(map(canonical, new.values()))
    gone = {name for name, digest in old.items() if canonical(digest) not in found}
    come = {name for name, digest in new.items() if canonical(digest) not in known}
    for name in sorted(gone | come):
        if name in old and name in new:
            yield Module(name, "changed")
        else:
            yield Module(name, "added" if name in new else "removed")


def _packages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Package]:
    for name in _names(old, new):
        one, other = old.get(name, ABSENT), new.get(name, ABSENT)
        if not _same(one, other):
            yield Package(name, one, other)


def _pinned(pins: Any) -> dict[str, Any]:
    """The packages of an environment's pins, each with all its lines."""
    found: dict[str, Any] = {}
    for pin in pins if isinstance(pins, list) else []:
        name, _, version = str(pin).partition("==")
        found[name] = f"{found[name]}, {version}" if name in found else version
    return found


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(old.keys() | new.keys())


def _same(old: Any, new: Any) -> bool:
    """True if two values are the same to an identity, which distinguishes 1, 1.0 and true."""
    if old is ABSENT or new is ABSENT:
        return old is new
    return canonical(old) == canonical(new)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _values(old: Any, new: Any) -> dict[str, Any]:
    return {name: one for name, one in (("old", old), ("new", new)) if one is not ABSENT}
