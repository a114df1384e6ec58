"""Plug-ins, found by their place: frontier/KIND/NAME.py holds one class, a KIND that is named NAME.

A kind's package declares its registry next to the base class:

    class Quantizer(Entry, ABC): ...
    QUANTIZERS: Registry[Quantizer] = Registry("quantizers", Quantizer, mark=Measure)

and plug-ins are requested there: `QUANTIZERS.names()` lists them without importing any,
`QUANTIZERS.load("quanto")` returns the class `Quanto`, typed as `type[Quantizer]`, and
`QUANTIZERS.module("quanto")` is the dotted name under which its code enters identities
(planning/step.py). Packages (`common/`) are shared by plug-ins and are not plug-ins; nor are
classes whose name begins with "_". A file is imported, and checked against the contract, on demand:
the base class's abstract methods and `ClassVar`s exist, methods accept the arguments of the base's,
and, if the kind has a `mark`, each field has one. A violation is a UserError of one line.

This module can only reject a file or return its class, which enters identities itself; so like the
host's code it is not part of any identity (identity/names.py), and a stricter contract repeats no
measurement.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import traceback
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar

from frontier.errors import UserError, closest, did_you_mean, lack_of_memory, one_line
from frontier.text import shown

Kind = TypeVar("Kind")


class Registry(Generic[Kind]):
    """The plug-ins of one kind."""

    def __init__(self, kind: str, base: type[Kind], mark: object = None) -> None:
        """`kind` is a package of frontier; each of its files has one class derived from `base`.

        `mark`: the object, or the class of objects, that each pydantic field of a plug-in, except
        the base's own, must have in its `Annotated`.
        """
        self.kind, self.base, self.mark = kind, base, mark
        self._loaded: dict[str, type[Kind]] = {}

    def names(self) -> tuple[str, ...]:
        """The names of the plug-ins, without importing any."""
        paths = importlib.import_module(f"frontier.{self.kind}").__path__
        found = pkgutil.iter_modules(paths)
        return tuple(sorted(module.name for module in found if not module.ispkg))

    def module(self, name: str) -> str:
        """The dotted name of a plug-in's module."""
        return f"frontier.{self.kind}.{name}"

    def load(self, name: str, where: str | None = None) -> type[Kind]:
        """The class of that name.

        Raises UserError with the nearest name for an unknown one (`where` names the file and key
        that requested it), and for a file that violates the contract.
        """
        if name not in self._loaded:
            names = self.names()
            if name not in names:
                asked = where or f"frontier/{self.kind}"
                raise UserError(f"{asked}: unknown id {shown(name)}{did_you_mean(name, names)}")
            self._loaded[name] = self._checked(self._import(name), name)
        return self._loaded[name]

    def all(self) -> dict[str, type[Kind]]:
        """All plug-ins by name; imports each. Raises UserError as `load` does."""
        return {name: self.load(name) for name in self.names()}

    def name_of(self, plugin: type[Kind]) -> str:
        """The name of a loaded class: its file's."""
        return plugin.__module__.rpartition(".")[2]

    def _file(self, name: str) -> str:
        return f"frontier/{self.kind}/{name}.py"

    def _import(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(self.module(name))
        except UserError:
            raise
        except Exception as error:  # any error in the file
            if lack_of_memory(error):
                raise
            at = _line_in(error, f"{self.kind}/{name}.py")
            what = f"{type(error).__name__}: {one_line(error)}"
            raise UserError(f"{self._file(name)}: cannot be imported{at}: {what}") from error

    def _checked(self, module: ModuleType, name: str) -> type[Kind]:
        """The module's only plug-in. Raises UserError if it violates the contract."""
        own = [
            one
            for one in vars(module).values()
            if isinstance(one, type) and one.__module__ == module.__name__
        ]
        public = {one.__name__: one for one in own if not one.__name__.startswith("_")}
        found = [one for one in public.values() if issubclass(one, self.base)]
        file, base = self._file(name), self.base.__name__
        if not found:
            others = f" (there are: {', '.join(public)})" if public else ""
            raise UserError(f"{file}: has no class that derives from {base}{others}")
        if len(found) > 1:
            names = " and ".join(one.__name__ for one in found)
            raise UserError(f"{file}: {names} derive from {base}: a file holds one")
        lacking = [*_missing(found[0], self.base), *_other_arguments(found[0], self.base)]
        if self.mark:
            lacking += _unmarked(found[0], self.base, self.mark)
        if lacking:
            raise UserError(f"{file}: class {found[0].__name__} {'; '.join(lacking)}")
        return found[0]


def _missing(plugin: type, base: type) -> Iterator[str]:
    """The methods and class variables that a plug-in lacks, of all its bases."""
    own = _methods(plugin).keys() - _methods(base).keys()
    for name in sorted(getattr(plugin, "__abstractmethods__", ())):
        yield f"lacks {name}(){did_you_mean(name, own) if closest(name, own) else ''}"
    for part in plugin.__mro__:
        for name, annotation in inspect.get_annotations(part).items():
            constant = str(annotation).removeprefix("typing.").startswith("ClassVar")
            if constant and not name.startswith("_") and not hasattr(plugin, name):
                yield f"lacks {name}, which {part.__name__} declares"


def _other_arguments(plugin: type, base: type) -> Iterator[str]:
    """The methods that cannot be called like the base's."""
    for name, expected in _methods(base).items():
        found = inspect.getattr_static(plugin, name, None)
        if found is expected:
            continue
        if type(found) is not type(expected):
            yield f"has a {name} that is not a {type(expected).__name__} like {base.__name__}'s"
            continue
        places, keywords = _arguments(expected)
        try:
            inspect.signature(_function(found)).bind(*places, **dict.fromkeys(keywords))
        except TypeError as error:
            given = ", ".join([*places, *keywords])
            yield f"has a {name}() that does not take ({given}): {error}"


def _methods(base: type) -> dict[str, Any]:
    """A class's public methods, as defined by it and its bases."""
    found: dict[str, Any] = {}
    for part in reversed(base.__mro__):
        for name, one in vars(part).items():
            if isinstance(one, FunctionType | classmethod | staticmethod) and name[0] != "_":
                found[name] = one
    return found


def _function(method: Any) -> Any:
    return method if isinstance(method, FunctionType) else method.__func__


def _arguments(method: Any) -> tuple[list[str], list[str]]:
    """The names of a method's positional and keyword arguments."""
    found = inspect.signature(_function(method)).parameters.values()
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    keywords = [one.name for one in found if one.kind is inspect.Parameter.KEYWORD_ONLY]
    return [one.name for one in found if one.kind in places], keywords


def _unmarked(plugin: type, base: type, mark: object) -> Iterator[str]:
    """The fields, except those of the base, that have no mark."""
    shared = getattr(base, "model_fields", {})
    expected = mark.__name__ if isinstance(mark, type) else repr(mark)
    for name, field in getattr(plugin, "model_fields", {}).items():
        marked = any(
            isinstance(one, mark) if isinstance(mark, type) else one == mark
            for one in field.metadata
        )
        if not marked and name not in shared:
            yield f"does not mark the key {name} with the stage that it decides ({expected})"


def _line_in(error: BaseException, file: str) -> str:
    """The line at which importing a file failed; "" if it failed elsewhere."""
    if isinstance(error, SyntaxError) and (error.filename or "").endswith(file):
        return f" (line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.endswith(file)
    ]
    return f" (line {lines[-1]})" if lines else ""
