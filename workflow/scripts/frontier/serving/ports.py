"""Ports on 127.0.0.1: finding a free one, and finding out who listens on it."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import NamedTuple

import psutil

HOST = "127.0.0.1"
TAKEN = re.compile(
    r"address already in use|EADDRINUSE|errno 98\b|errno 48\b|port \d+ is (already )?in use"
    r"|couldn't bind|could not bind|failed to bind",
    re.IGNORECASE,
)
"""Words by which servers say that another process has their port."""


class Listener(NamedTuple):
    """An address on which a process accepts connections."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """True if only this host can reach it."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback


def free(count: int = 1) -> list[int]:
    """Different ports on which nothing listens now; another process may take one meanwhile."""
    held = [socket.socket(socket.AF_INET) for _ in range(count)]
    try:
        for one in held:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def listeners(pids: Collection[int]) -> list[Listener] | None:
    """The addresses on which these processes listen; None if the system does not tell."""
    found: set[Listener] = set()
    for pid in pids:
        try:
            for one in psutil.Process(pid).net_connections(kind="tcp"):
                if one.status == psutil.CONN_LISTEN:
                    found.add(Listener(one.laddr.ip, one.laddr.port))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        except psutil.AccessDenied:
            return None
    return sorted(found)
