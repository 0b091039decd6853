"""What a program sees of the bot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

#: Codes of the table that may succeed later; unknown ones are final.
RETRYABLE = frozenset(
    ("overloaded", "load_failed", "out_of_order", "rate_limited", "draining", "slow", "timeout", "internal")
)

Token = str | Callable[[], Awaitable[str]] | None


class Refused(Exception):
    """A refusal, with its ``code`` of the protocol's table."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code

    @property
    def retryable(self) -> bool:
        """Whether it may succeed later without anybody changing anything."""
        return self.code in RETRYABLE


@dataclass(frozen=True)
class Event:
    """A durable message of the room."""

    seq: int
    #: The verified user who appended it; None for an anonymous one.
    author: str | None
    name: str
    payload: Any
    #: Whether this bot has appended it.
    own: bool


@dataclass(frozen=True)
class Page:
    """A part of the log, oldest first."""

    events: list[Event]
    #: Whether there are more of those that were asked for.
    more: bool


@dataclass(frozen=True)
class Other:
    """Somebody else in the room."""

    #: The verified user (P58), whatever the state says; None for an anonymous one.
    user: str | None
    state: Any
