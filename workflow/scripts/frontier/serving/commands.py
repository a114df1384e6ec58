"""Commands that start a server: arguments and environment with placeholders such as `{port}`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from frontier.errors import UserError, did_you_mean

PLACEHOLDERS = {
    "checkpoint": "the folder of the checkpoint",
    "file": "the only file of weights in it, such as a GGUF",
    "draft": "the folder of the checkpoint of a technique's draft",
    "draft_file": "the only file of weights in that one",
    "host": "the address to listen on, 127.0.0.1",
    "port": "the port to listen on",
    "metrics_port": "another free port, for servers that insist on one",
    "accelerator": "cpu, cuda (for rocm too, as torch has it), mps or xpu",
    "dtype": "the precision, as the block spells it",
    "gpus": "the number of GPUs; absent on a CPU",
    "threads": "processor threads of the server",
    "context": "the longest prompt and answer, in tokens",
    "name": "the model's name in requests",
    "key_file": "a file with the server's key",
    "folder": "an empty folder, removed when the server has ended",
    "python": "the interpreter of the engine's environment",
}
"""The names that a command may have in braces, and their meaning."""
_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HALF = re.compile(r"\{[A-Za-z_][^{}\"'\s]*")
_EVERYWHERE = re.compile(r"(^|[=/:@ ])(0\.0\.0\.0|\[?::\]?|\*)(:|$)")
Argument = str | Sequence[str]
"""An argument, or several that are left out together if a placeholder in them has no value."""


@dataclass(frozen=True)
class Command:
    """A server's program, its arguments and the variables set for it; each a template."""

    arguments: Sequence[Argument]
    environment: Mapping[str, str] = field(default_factory=dict)

    def texts(self) -> Iterator[str]:
        """Every template."""
        for argument in self.arguments:
            yield from [argument] if isinstance(argument, str) else argument
        yield from self.environment.values()

    def check(self, names: Collection[str] = PLACEHOLDERS) -> None:
        """Raises ValueError, in one line, for what would start no server of ours.

        Braces that do not enclose a name, such as JSON's, are ordinary characters.
        """
        if not self.arguments or not isinstance(self.arguments[0], str) or not self.arguments[0]:
            raise ValueError("a command begins with the name of a program")
        for text in self.texts():
            for name in _NAMED.findall(text):
                if name not in names:
                    raise ValueError(f"no placeholder {{{name}}}{did_you_mean(name, names)}")
            if half := _HALF.search(_NAMED.sub("", text)):
                raise ValueError(f"{half[0]!r} is not closed; write {{name}}")
            if _EVERYWHERE.search(text):
                raise ValueError(f"{text!r} listens for every host; write {{host}}")
        used = {name for text in self.texts() for name in _NAMED.findall(text)}
        if "port" not in used:
            raise ValueError("neither the command nor its environment has {port}")

    def filled(self, values: Mapping[str, object]) -> tuple[list[str], dict[str, str]]:
        """The arguments and the variables with `values`; a value of None is absent.

        An absent value leaves out its group of arguments, or its variable. Raises UserError for
        one that stands in no group.
        """
        known = {name: str(value) for name, value in values.items() if value is not None}
        arguments: list[str] = []
        for argument in self.arguments:
            if isinstance(argument, str):
                if missing := [name for name in _NAMED.findall(argument) if name not in known]:
                    raise UserError(f"{argument!r}: there is no {missing[0]} here")
                arguments.append(_fill(argument, known))
            elif all(name in known for part in argument for name in _NAMED.findall(part)):
                arguments += [_fill(part, known) for part in argument]
        environment = {
            name: _fill(text, known)
            for name, text in self.environment.items()
            if all(one in known for one in _NAMED.findall(text))
        }
        return arguments, environment


def _fill(text: str, known: Mapping[str, str]) -> str:
    return _NAMED.sub(lambda found: known[found[1]], text)


def program(name: str, path: str | None) -> str:
    """The absolute path of a command's program on a search path. Raises UserError if absent."""
    found = shutil.which(name, path=path)
    if found is None:
        there = Path(name)
        if there.name != name and there.exists():
            raise UserError(f"cannot run {name!r}: not an executable file")
        raise UserError(f"cannot run {name!r}: no such command; is its software installed?")
    return str(Path(found).absolute())
