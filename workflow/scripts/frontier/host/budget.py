"""Money for requests to a paid endpoint: reserved before each is sent, never beyond a limit.

A ledger next to the measurement has a line before and one after each request, whatever it was for:
warm-up, timing, a repetition. So what a killed process has spent is known to the next one.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.blocks import TokenPrices
from frontier.errors import UserError
from frontier.prices import cost as cost_of
from frontier.words import significant

LEDGER = "spent.jsonl"
MESSAGE_TOKENS = 16
"""More than a chat template adds to a message: its role and its marks."""
REQUEST_TOKENS = 64
"""More than a chat template adds to all messages."""
HOUR_S = 3600


class OverBudgetError(UserError):
    """The next request could cost more than is left."""


@dataclass(frozen=True)
class Limit:
    """The most money, and the other cells whose requests count towards it."""

    key: str
    """The key that sets it, for the message."""
    most: float
    others: tuple[Path, ...] = ()
    """Folders of cells, with a ledger for each of their measurements."""


class Budget:
    """The money that a cell may spend. Without prices it is unlimited, and nothing is written."""

    def __init__(
        self,
        label: str = "",
        ledger: Path | None = None,
        tokens: TokenPrices | None = None,
        per_hour: float | None = None,
        limits: Sequence[Limit] = (),
    ) -> None:
        """Reads what earlier processes have spent on this cell.

        `label`: the cell's name for messages; `tokens`, `per_hour`: prices, at most one of them.
        """
        self._label, self._path, self._limits = label, ledger, limits
        self._tokens, self._per_hour = tokens, per_hour
        self.paid = ledger is not None and not (tokens is None and per_hour is None)
        self._spent = spent_in(ledger) if ledger and self.paid else 0.0
        self._since, self._longest = time.monotonic(), 0.0

    @property
    def spent(self) -> float | None:
        """The money spent on this cell so far, open reservations included; None if it is free."""
        return self._spent if self.paid else None

    def reserve(self, texts: Sequence[str], new_tokens: int) -> Reservation:
        """Sets aside the most that a request can cost; to be called before it is sent.

        `texts`: its prompt, or its messages; `new_tokens`: the limit that is sent. A byte-level
        tokenizer makes at most one token of a byte. Raises OverBudgetError if that is not left.
        """
        if not self.paid:
            return Reservation(self, "", 0.0)
        most = self._longest
        if self._tokens:
            prompt = sum(len(text.encode(errors="replace")) + MESSAGE_TOKENS for text in texts)
            most = cost_of(self._tokens, prompt + REQUEST_TOKENS, new_tokens)
        for limit in self._limits:
            spent = self._spent + self._elapsed() + sum(map(spent_below, limit.others))
            if spent + most > limit.most:
                raise OverBudgetError(
                    f"{self._label}: {limit.key} {significant(limit.most)} could be passed: "
                    f"{significant(spent)} is spent and the next request may cost "
                    f"{significant(most)}; what was measured is saved, and with a larger "
                    "limit the next run continues from there"
                )
        name = uuid.uuid4().hex[:12]
        self._write({"request": name, "reserved": most})
        self._spent += most
        return Reservation(self, name, most)

    def reserve_all(
        self, requests: Mapping[str, tuple[Sequence[str], int]]
    ) -> dict[str, Reservation]:
        """Sets aside what requests that are sent together can cost, by name: all or nothing.

        `requests`: the arguments of `reserve`. Raises OverBudgetError as that does.
        """
        found: dict[str, Reservation] = {}
        try:
            for name, (texts, new_tokens) in requests.items():
                found[name] = self.reserve(texts, new_tokens)
        except OverBudgetError:
            for reserved in found.values():
                reserved.release()
            raise
        return found

    def _elapsed(self) -> float:
        """The price of the time since the last request ended, if time is paid for."""
        return (time.monotonic() - self._since) * (self._per_hour or 0) / HOUR_S

    def settle(self, reserved: Reservation, cost: float | None, **facts: Any) -> None:
        """Replaces a reservation by the cost of its request; None: that of the time it took."""
        if not self.paid:
            return
        if cost is None:
            cost, self._since = self._elapsed(), time.monotonic()
            self._longest = max(self._longest, cost)
        self._write({"request": reserved.name, "cost": cost, **facts})
        self._spent += cost - reserved.most

    def price(self, prompt_tokens: int, tokens: int, cached_tokens: int | None) -> float | None:
        """The price of a request by its tokens; None if time is paid for."""
        if self._tokens is None:
            return None
        return cost_of(self._tokens, prompt_tokens, tokens, cached_tokens)

    def _write(self, line: dict[str, Any]) -> None:
        """Appends a line in one write, which survives this process."""
        if self._path:
            with self._path.open("ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")


@dataclass(frozen=True)
class Reservation:
    """Money set aside for one request. It counts in full until it is settled or released."""

    budget: Budget
    name: str
    most: float

    def settle(self, prompt_tokens: int, tokens: int, cached_tokens: int | None = None) -> None:
        """Counts what the endpoint's usage says; to be called for each answer, a failed one too."""
        cost = self.budget.price(prompt_tokens, tokens, cached_tokens)
        facts = {"prompt_tokens": prompt_tokens, "tokens": tokens, "cached_tokens": cached_tokens}
        self.budget.settle(self, cost, **facts)

    def release(self) -> None:
        """Counts nothing: the endpoint has refused the request before it generated a token."""
        self.budget.settle(self, 0.0)


def spent_below(cell: Path) -> float:
    """The money spent on all measurements of a cell, by its folder."""
    return sum(spent_in(path) for path in cell.glob(f"*/{LEDGER}"))


def spent_in(ledger: Path) -> float:
    """The sum of a ledger: the cost of each request, or what was reserved if it is not known."""
    try:
        lines = ledger.read_bytes().splitlines()
    except FileNotFoundError:
        return 0.0
    return sum(_costs(lines).values())


def _costs(lines: Iterable[bytes]) -> dict[str, float]:
    """The costs by request; a line cut by the end of its process is left out."""
    found: dict[str, float] = {}
    for line in lines:
        try:
            value = json.loads(line)
            found[str(value["request"])] = float(value.get("cost", value.get("reserved")))
        except (ValueError, KeyError, TypeError):
            continue
    return found
