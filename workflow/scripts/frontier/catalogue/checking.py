"""Validation of values against blocks, and of names against the known ones."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from frontier.blocks import Plugin
from frontier.errors import UserError, closest, did_you_mean
from frontier.registry import Registry
from frontier.text import LONGEST, shown, visible

Block = TypeVar("Block", bound=BaseModel)


Line = Callable[[tuple[str, ...]], int | None]
RENAMED = {"foreign_load": "max_background_cores", "lacks": "unsupported_dtypes"}
"""Keys of earlier releases and their present names, for the hint."""


def check(
    kind: type[Block],
    value: Any,
    where: str,
    also: Collection[str] = (),
    line: Line | None = None,
) -> Block:
    """`value` as a `kind`; `also` are keys of another kind in the same block.

    Strict for every block, including a plug-in's options: text is not read as a number, nor a
    number as a truth value, and nothing is infinite. A field's validator must be an AfterValidator.
    Raises UserError with `where`, the key, the nearest valid name, and the line that `line` finds.
    """
    try:
        # As JSON, whose strict mode accepts a list for a tuple and text for a path.
        return kind.model_validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    except (TypeError, ValueError) as unlike_json:
        raise UserError(f"{where}: {unlike_json}") from None
    # A mistyped key is often reported as missing too; the typo is more helpful.
    # Of a union's branches the one that got farthest is the one that was meant.
    first = _path(value, errors[0])
    meant = max(
        (one for one in errors if _path(value, one)[: len(first)] == first),
        key=lambda one: len(_path(value, one)),
    )
    error = next((one for one in errors if one["type"] == "extra_forbidden"), meant)
    path = _path(value, error)
    if error["type"] == "extra_forbidden":
        own = {*_names(_block(kind, path[:-1])), *also}
        key = RENAMED.get(path[-1], path[-1])
        hint = did_you_mean(key, own if closest(key, own) else own | _keys(kind) - {key})
        message = f"unknown key{hint}"
    elif error["type"] == "missing" and (typo := _mistyped(kind, path[-1], error["input"])):
        message = f"unknown key{did_you_mean(typo, [path[-1]])}"
        path = (*path[:-1], typo)
    else:
        message = _message([one for one in errors if _path(value, one) == path])
    found = line(path) if line else None
    at = f"{where}: {_dotted(path)}" if path else where
    raise UserError(f"{at}: {message}{f' (line {found})' if found else ''}")


def _message(errors: list[Any]) -> str:
    """pydantic's message for one value, which may be wrong for each branch of a union."""
    given = errors[0]["input"]
    same = dict.fromkeys(one["msg"] for one in errors)
    message = " or ".join(same).replace(" or Input should be ", " or ")
    message = message.removeprefix("Value error, ")
    for text in _long_texts(given):
        message = message.replace(repr(text)[1:-1], visible(text, LONGEST))
    return f"{visible(message, 400)}{_found(given)}{_closest(errors, given)}"


def _long_texts(value: Any) -> Iterator[str]:
    """The strings in nested values that are too long for a message."""
    if isinstance(value, str) and len(value) > LONGEST:
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _long_texts(part)


def _found(given: Any) -> str:
    return "" if isinstance(given, dict) else f" (found {shown(given)})"


def _closest(errors: list[Any], given: Any) -> str:
    """A hint with the closest allowed word, or the advice to quote a value that is not text."""
    kinds = {error["type"] for error in errors}
    if kinds == {"string_type"} and isinstance(given, (bool, int, float, type(None))):
        return ": put text in quotes"
    expected = " ".join(
        error["ctx"]["expected"] for error in errors if error["type"] == "literal_error"
    )
    words = re.findall(r"'([^']*)'", expected)
    return did_you_mean(given, words) if isinstance(given, str) and closest(given, words) else ""


def _mistyped(kind: type[BaseModel], missing: str, given: Any) -> str | None:
    """The mistyped form of a missing key, if any: a plug-in's block accepts any key."""
    unknown = [name for name in given if name not in _keys(kind)]
    close = difflib.get_close_matches(missing, unknown, n=1, cutoff=0.7)
    return close[0] if close else None


def _path(value: Any, error: Any) -> tuple[str, ...]:
    """The keys that lead to an error, without the names of a union's branches."""
    path: list[str] = []
    loc = error["loc"]
    for part in loc:
        inside = isinstance(value, (list, Mapping))
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if error["type"] == "missing" and part == loc[-1]:
                path.append(str(part))
            continue
        if inside:
            path.append(str(part))
    return tuple(path)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(visible(part, 80) for part in path)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _block(kind: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel]:
    """The kind of the block at a path."""
    for part in path:
        field = kind.model_fields.get(part)
        kind = next(_models(field.annotation), kind) if field else kind
    return kind


def _names(kind: type[BaseModel]) -> set[str]:
    """The keys of this kind of block."""
    return {field.alias or name for name, field in kind.model_fields.items()}


def _keys(kind: type[BaseModel]) -> set[str]:
    """All keys of this kind of block and of the blocks inside it."""
    schema = kind.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


def plugin_of(
    registry: Registry[Block],
    naming: type[Plugin],
    value: Any,
    where: str,
    line: Line | None = None,
) -> Block:
    """The plug-in that a block names by the one key of `naming`, with the block's other keys.

    Raises UserError as `check` and `Registry.load` do.
    """
    (key,) = naming.model_fields
    named = check(naming, value, where, line=line)
    kind = registry.load(getattr(named, key), f"{where}.{key}")
    return check(kind, named.options, where, (key,), line)


@cache
def scenarios() -> tuple[str, ...]:
    """The scenarios there are: MLPerf's names, of the files of frontier/scenarios."""
    files: Registry[object] = Registry("scenarios", object)  # whose classes are in a higher layer
    return tuple(name.replace("_", "-") for name in files.names())


def one_of(name: str, names: Collection[str], where: str) -> str:
    """`name` if it is one of `names`. Raises UserError with the nearest one otherwise."""
    if name not in names:
        raise UserError(f"{where}: unknown id {shown(name)}{did_you_mean(name, names)}")
    return name


def all_of(ids: Collection[str], names: Collection[str], where: str) -> None:
    """Raises UserError for an id that is not one of `names`, or is given twice."""
    seen: set[str] = set()
    for name in ids:
        one_of(name, names, where)
        if name in seen:
            raise UserError(f"{where}: names an id twice: {shown(name)}")
        seen.add(name)
