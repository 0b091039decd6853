"""What the bot has said and the server has not settled yet: numbered from 1, kept across connections (P21)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Change:
    """A numbered change on its way. ``kind`` and ``body`` are its frame: `update` or `append`."""

    n: int
    kind: str
    body: dict[str, Any]
    #: The seq of the commit; None for an update that shared its ACK with a later one.
    settled: asyncio.Future[int | None]

    def resolve(self, seq: int | None) -> None:
        if not self.settled.done():
            self.settled.set_result(seq)

    def reject(self, error: Exception) -> None:
        if not self.settled.done():
            self.settled.set_exception(error)
            self.settled.exception()  # nobody has to wait for it


@dataclass
class Outbox:
    #: Changes that are not settled, oldest first.
    pending: list[Change] = field(default_factory=list)
    last_number: int = 0
    sent: int = 0

    def add(self, kind: str, /, **body: Any) -> Change:
        self.last_number += 1
        change = Change(self.last_number, kind, body, asyncio.get_running_loop().create_future())
        self.pending.append(change)
        return change

    def take(self) -> list[Change]:
        """The changes to send now, in order; they count as sent."""
        due = [change for change in self.pending if change.n > self.sent]
        self.sent = self.last_number
        return due

    def rewind(self, n: int = 1) -> None:
        """``n`` and everything after it has to be sent again."""
        self.sent = min(self.sent, n - 1)

    def acknowledge(self, n: int) -> list[Change]:
        """Takes out everything up to ``n``: ACKs are cumulative (P22)."""
        done = [change for change in self.pending if change.n <= n]
        self.pending = [change for change in self.pending if change.n > n]
        return done

    def refuse(self, n: int) -> Change | None:
        """Takes out a change that was refused for good."""
        refused = next((change for change in self.pending if change.n == n), None)
        self.pending = [change for change in self.pending if change is not refused]
        return refused

    def clear(self, error: Exception) -> None:
        for change in self.pending:
            change.reject(error)
        self.pending = []
