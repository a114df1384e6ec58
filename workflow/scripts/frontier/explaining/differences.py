"""What differs between two recorded identities, down to the key, module or package.

A record is what a result keeps of what it was made of (`depends_on` in planning/step.py). Pure: it
reads no file, and takes records of other releases and of anybody as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from frontier.identity import canonical


class Absent(Enum):
    """Nothing at all, which null is not."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Key:
    """A key of the specification with another value."""

    path: tuple[str, ...]
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON; `old` or `new` is left out where there was no such key."""
        return {"kind": "key", "key": ".".join(self.path), **_values(self.old, self.new)}


@dataclass(frozen=True)
class Input:
    """Something that is read, known by another digest, and what differs in how it came about.

    `rule`: of the job that makes it, whose keys and modules are `within`.
    """

    name: str
    old: Any
    new: Any
    within: tuple[Difference, ...] = ()
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON, those within it too."""
        own = {"kind": "input", "input": self.name, **_values(self.old, self.new)}
        if self.rule:
            own["rule"] = self.rule
        return own | {"differences": [one.as_json() for one in self.within]}


@dataclass(frozen=True)
class Module:
    """A module of ours whose code counts for the result."""

    name: str
    change: Literal["added", "removed", "changed"]

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "module", "module": self.name, "change": self.change}


@dataclass(frozen=True)
class Package:
    """A package in another version, or one that was or is not used."""

    name: str
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "package", "package": self.name, **_values(self.old, self.new)}


@dataclass(frozen=True)
class Command:
    """The command line of a rule, as the rule's file has it."""

    rule: str
    old: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {"kind": "command", "rule": self.rule, **_values(self.old, self.new)}


Difference = Key | Input | Module | Package | Command


def differences(old: Any, new: Any) -> tuple[Difference, ...]:
    """What differs between two records, the catalogue's keys first, then inputs, then code."""
    return tuple(_differences(_mapping(old), _mapping(new)))


def leaves(found: Iterable[Difference], where: str = "") -> Iterator[tuple[str, Difference]]:
    """The differences that no others explain, each with the inputs in which it lies ("sample: ").

    That is, those within an input instead of the input.
    """
    for one in found:
        if isinstance(one, Input) and one.within:
            yield from leaves(one.within, f"{where}{one.name}: ")
        else:
            yield where, one


def of_an_update(where: str, one: Difference) -> bool:
    """Whether an update of the code or of packages brings about what `leaves` gives."""
    # What lies in an environment of its own: packages, and the version of Python.
    return isinstance(one, Module | Package | Command) or "environment: " in where


def weight(found: Iterable[Difference]) -> tuple[int, int]:
    """How far apart two records are: first what else was asked, then by what other code.

    Keys and the contents of inputs count before any number of modules, packages and commands.
    """
    ends = [one for _, one in leaves(found)]
    asked = sum(isinstance(one, Key | Input) for one in ends)
    return asked, len(ends) - asked


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old.get("rule") != new.get("rule"):
        # Nothing else can be compared: a model that was fetched and is to be grown, for one.
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
    """The innermost values that differ; lists of one length are compared place by place."""
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
    """The modules whose definitions differ, unless these only lie in other modules."""
    if "definitions" in old and old["definitions"] == new.get("definitions"):
        return
    modules = list(_modules(_mapping(old.get("code")), _mapping(new.get("code"))))
    if not modules and old.get("definitions") != new.get("definitions"):
        # Each definition is as it was, but one refers to another of the same name.
        modules = [Module("what is imported from where", "changed")]
    yield from modules


def _modules(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Module]:
    """Only the digests count: a module of another name or place is the same module."""
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
    """The packages of an environment's pins; one that is pinned in several lines has them all."""
    found: dict[str, Any] = {}
    for pin in pins if isinstance(pins, list) else []:
        name, _, version = str(pin).partition("==")
        found[name] = f"{found[name]}, {version}" if name in found else version
    return found


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(old.keys() | new.keys())


def _same(old: Any, new: Any) -> bool:
    """Whether two values are one to an identity, to which 1, 1.0 and true are three."""
    if old is ABSENT or new is ABSENT:
        return old is new
    return canonical(old) == canonical(new)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _values(old: Any, new: Any) -> dict[str, Any]:
    return {name: one for name, one in (("old", old), ("new", new)) if one is not ABSENT}
