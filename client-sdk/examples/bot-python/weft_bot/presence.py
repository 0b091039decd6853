"""Who else is in the room, and what the bot shows of itself (P30 to P33, P58)."""

from __future__ import annotations

import json
from typing import Any

from .awareness import Entry, read_awareness, write_awareness
from .types import Other


class Presence:
    def __init__(self) -> None:
        #: By awareness id.
        self.others: dict[int, Other] = {}
        # Whose ids they are: told before an id is shown.
        self._users: dict[int, str | None] = {}
        self.own: Any = None
        self._clock = 0

    def next(self, client_id: int) -> bytes | None:
        """The own state as the next update; None when the bot shows nothing. The clock only grows."""
        if self.own is None:
            return None
        self._clock += 1
        return write_awareness([Entry(client_id, self._clock, json.dumps(self.own))])

    def identify(self, users: list[dict[str, Any]]) -> None:
        self._users.update((each["id"], each["user"]) for each in users)

    def take(self, awareness: bytes, own: int) -> None:
        for entry in read_awareness(awareness):
            if entry.state is None:
                self.others.pop(entry.client_id, None)
            elif entry.client_id != own:
                self.others[entry.client_id] = Other(self._users.get(entry.client_id), json.loads(entry.state))

    def clear(self) -> None:
        """P33: everybody is shown anew after a join."""
        self.others.clear()
        self._users.clear()
