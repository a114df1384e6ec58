"""Types of a configuration's origins: hub ids, revisions, addresses, paths."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, HttpUrl, TypeAdapter, ValidationError

from frontier.errors import UserError
from frontier.host import files

ADDRESS = TypeAdapter(HttpUrl)
NAME = re.compile(r"[^\s~^:?*\[\\\x00-\x1f\x7f]+")


def _hub_id(text: str) -> str:
    # Takes a tenth of a second, which studies without a hub need not wait for.
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(text)
    except HFValidationError:
        place = text.rstrip("/").rpartition("huggingface.co/")[2].removeprefix("datasets/")
        hint = f" (did you mean {place!r}?)" if "://" in text and place.count("/") == 1 else ""
        raise ValueError(f"not a hub id, such as tiiuae/falcon-7b-instruct{hint}") from None
    return text


def _address(text: str) -> str:
    """Returns the text unchanged: pydantic would normalise it, and the identity depends on it."""
    try:
        ADDRESS.validate_python(text)
    except ValidationError:
        raise ValueError("not an http or https address") from None
    if not text.isprintable() or " " in text:
        raise ValueError("not an http or https address: it has white space in it")
    return text


def _revision(text: str) -> str:
    if not NAME.fullmatch(text) or ".." in text:
        raise ValueError("not a revision: a commit's full hash is the safest")
    return text


def _path(path: Path) -> Path:
    if path == Path():
        raise ValueError("is empty, or the working folder itself")
    try:
        path = files.expanded(path)
        path.lstat()
    except UserError as error:
        raise ValueError(str(error)) from None
    except ValueError:
        raise ValueError("not a path: it contains a NUL character") from None
    except OSError as error:  # a missing path is reported where it is needed
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("is longer than a path can be") from None
    return path


def _file(text: str) -> str:
    parts = text.split("/")
    if not text.isprintable() or any(one in ("", ".", "..") for one in parts) or "\\" in text:
        raise ValueError("not the name of a file in a repository")
    if not text.lower().endswith(".gguf"):
        raise ValueError("not a GGUF file: its name ends in .gguf")
    return text


HubId = Annotated[str, AfterValidator(_hub_id)]
"""A hub repository, by huggingface_hub's own rule."""
Revision = Annotated[str, AfterValidator(_revision)]
"""A commit, or a name that git allows for a branch or tag."""
GgufFile = Annotated[str, AfterValidator(_file)]
"""The name of a GGUF file in a hub's repository, with its folders."""
Address = Annotated[str, AfterValidator(_address)]
LocalPath = Annotated[Path, AfterValidator(_path)]
"""A path, which may begin with ~ or ~USER as in a shell."""
