"""JSON values and digests: the specifications that programs get, and the files they read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from frontier.errors import UserError
from frontier.text import shown
from frontier.unicode import parse_json

LOCK = "lock.json"
"""The file that says what a folder holds, and where it came from."""

NO_VALUE = object()
"""The result where there is no value: null is one."""

Model = TypeVar("Model", bound=BaseModel)


def read_spec(text: str) -> dict[str, Any]:
    """A program's --spec: JSON text, or the path of a JSON file. Raises UserError."""
    if not text.lstrip().startswith("{"):
        found: dict[str, Any] = read_json(Path(text))
        return found
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise UserError(f"--spec: {error}") from None
    return value


def checked_spec(text: str, kind: type[Model]) -> Model:
    """A program's --spec as a `kind`; the recorded identity only if `kind` has a field for it.

    Raises UserError naming the key that is wrong.
    """
    spec = read_spec(text)
    if "identity" not in kind.model_fields:
        spec.pop("identity", None)
    try:
        return kind.model_validate_json(json.dumps(spec))
    except ValidationError as invalid:
        raise UserError(f"--spec: {first_fault(invalid)}") from None


def recorded_identity(text: str) -> Any:
    """The job's identity, to be recorded with its result; None for a --spec written by hand."""
    return read_spec(text).get("identity")


def first_fault(invalid: ValidationError) -> str:
    """The first error that a validation found: its key, the reason and the text given."""
    fault = invalid.errors(include_url=False)[0]
    at = ".".join(map(str, fault["loc"]))
    given = f" (found {shown(fault['input'])})" if isinstance(fault["input"], str) else ""
    return f"{at + ': ' if at else ''}{fault['msg'].removeprefix('Value error, ')}{given}"


def read_json(path: Path) -> Any:
    """The parsed JSON file. Raises UserError if it is missing or truncated."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: unreadable JSON: {error}") from None


def read_lines(path: Path) -> list[Any]:
    """The values of a JSON Lines file. Raises UserError with the number of an invalid line."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(parse_json(line))
        except ValueError:
            raise UserError(f"{path}: line {number} is not JSON") from None
    return values


def at(value: Any, path: str) -> Any:
    """The value of a field, `address.city` or `items.0.name`; NO_VALUE without it.

    A key that has a dot in it is found by its whole name first.
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    if isinstance(value, dict) and head in value:
        inner = value[head]
    elif isinstance(value, list) and head.isdecimal() and int(head) < len(value):
        inner = value[int(head)]
    else:
        return NO_VALUE
    return at(inner, rest) if dot else inner


def visible_files(folder: Path) -> dict[str, Path]:
    """The files in a folder by their relative posix names, sorted; nothing hidden, no folders.

    Raises UserError for a folder in it that may not be read: its content would be left out.
    """

    def refuse(error: OSError) -> None:
        if Path(error.filename) != folder:  # which need not be there
            raise UserError(f"{error.filename}: cannot be read ({error.strerror})")

    found = {}
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def sha256(path: Path) -> str:
    """The hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of files by their names, as a lock.json records them."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(paths)
    }
