"""A server to start, and the order that its supervisor gets for it."""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from frontier.errors import UserError
from frontier.host import locks
from frontier.machine.limits import Share
from frontier.serving import kept, ports
from frontier.serving.commands import Command, program
from frontier.serving.containers import Container
from frontier.serving.orders import Order
from frontier.serving.surroundings import environment


@dataclass(frozen=True)
class Plan:
    """A server to start, as its block and its cell describe it."""

    name: str
    """Its name in messages."""
    command: Command
    values: Mapping[str, object]
    """The values of the command's placeholders that are not this package's own."""
    log: Path
    """The file to which its output is added."""
    health: str | None = None
    """A path that is answered with 200 once the server is well."""
    ready_s: float = 600.0
    """The time to become ready."""
    threads: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Further variables, whose values are in no log, message or argument."""
    container: Container | None = None
    """The image in which the command is run; without it, this host."""
    keep_s: float = 0.0
    """The time for which it waits for the next cell of the run, if nothing of a cell stays in it;
    0: it does not."""

    def key(self, share: Share | None) -> str:
        """A digest of all that decides whether another plan needs the same server."""
        own = dict.fromkeys(("host", "port", "metrics_port", "folder", "key_file", "python"), "")
        arguments, variables = self.command.filled({**self.values, **own})
        folders = [one for one in self.values.values() if isinstance(one, Path)]
        found = [one / locks.NAME for one in folders]
        surroundings = environment(variables | dict(self.secrets), self.threads)
        decides = [
            [sys.executable, repr(self.container), repr(share)],
            arguments,
            sorted(surroundings.items()),
            [str(one.resolve()) for one in folders],
            [lock.read_text(encoding="utf-8") for lock in found if lock.is_file()],
        ]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    def order(
        self, folder: Path, port: int, metrics_port: int, share: Share | None = None
    ) -> Order:
        """The order to start it at that port, with an empty folder and a share of the memory.

        Raises UserError if there is no such program, or its key would be an argument.
        """
        secrets = [*self.secrets.values()]
        key_file = folder / "key"
        if secrets:
            key_file.touch(mode=0o600)
            key_file.write_text(secrets[0], encoding="utf-8")
        own = {
            "host": self.container.host if self.container else ports.HOST, "port": port,
            "metrics_port": metrics_port, "folder": folder,
            "key_file": key_file if secrets else None,
            "python": "python3" if self.container else sys.executable,
        }  # fmt: skip
        arguments, variables = self.command.filled({**self.values, **own})
        if any(secret in argument for secret in secrets for argument in arguments):
            raise UserError("its key would be in its arguments, which all can see")
        variables |= self.secrets
        surroundings = environment(variables, self.threads)
        mark = uuid.uuid4().hex
        if self.container:
            arguments = self.container.command(
                arguments,
                environment(variables, self.threads, start={}).keys() - {"PATH"},
                container_name(mark),
                port,
                [one.absolute() for one in self.values.values() if isinstance(one, Path)],
                folder,
                share.bytes if share else None,
            )
        arguments[0] = program(arguments[0], surroundings["PATH"])
        return Order(
            arguments=arguments,
            environment=surroundings,
            mark=mark,
            key=self.key(share),
            keep_at=str(kept.address() or "") if self.keep_s else "",
            keep_s=self.keep_s,
            log=str(self.log.absolute()),
            folder=str(folder),
            memory_bytes=share.bytes if share else None,
            secrets=secrets,
            last=self.container.removal(container_name(mark)) if self.container else [],
        )


def container_name(mark: str) -> str:
    """The name of a server's container."""
    return f"llm-frontier-{mark}"
