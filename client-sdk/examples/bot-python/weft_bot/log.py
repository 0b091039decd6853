"""The room's durable messages: those that come, the bot's own until their seq is known, and the past."""

from __future__ import annotations

import asyncio
from typing import Any

from .outbox import Change
from .types import Event, Page, Refused

#: The most messages that a server gives at once.
PAGE = 1000


class Log:
    def __init__(self, client_id: bytes) -> None:
        self._client_id = client_id
        self._seen = 0
        #: The first seq that comes as an event; what is before it is history (P18).
        self.start = 0
        #: Messages that have come and were not taken yet; None ends them.
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        # Appends that a cumulative ACK settled without telling their seq, and seqs whose ACK is yet to come.
        self._seqless: dict[int, Change] = {}
        self._own_seqs: dict[int, int] = {}
        self._questions: dict[int, asyncio.Future[Page]] = {}

    def begin(self, head: int) -> None:
        """The bot is in the room for the first time."""
        self._seen, self.start = head, head + 1

    def take(self, user: str | None, frame: dict[str, Any]) -> None:
        """P28: in order, each once: what came before a reconnect may come again."""
        if frame["seq"] <= self._seen:
            return
        self._seen = frame["seq"]
        event = self._read(user, frame)
        if event.own and (change := self._seqless.pop(frame["n"], None)):
            change.resolve(event.seq)
        elif event.own:
            self._own_seqs[frame["n"]] = event.seq
        self.queue.put_nowait(event)

    def committed(self, change: Change, seq: int | None) -> None:
        """An append is committed; ``seq`` is None when its ACK told that of a later one."""
        known = self._own_seqs.pop(change.n, None)
        if seq is not None or known is not None:
            change.resolve(known if seq is None else seq)
        else:
            self._seqless[change.n] = change

    def ask(self, request: int) -> asyncio.Future[Page]:
        """A question about the past was sent (P50)."""
        answer: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self._questions[request] = answer
        return answer

    def answer(self, user: str | None, request: int, events: list[dict[str, Any]], more: bool) -> None:
        if question := self._question(request):
            question.set_result(Page([self._read(user, event) for event in events], more))

    def refuse(self, request: int, error: Refused) -> bool:
        """A question was refused. Returns whether it was one."""
        known = request in self._questions
        if question := self._question(request):
            question.set_exception(error)
        return known

    def leave(self) -> None:
        """The membership is over, and with it what was asked in it."""
        for request in list(self._questions):
            self.refuse(request, Refused("not_joined", "the connection was lost before the answer came"))

    def clear(self, error: Exception) -> None:
        """The bot has ended, or another log begins."""
        for change in self._seqless.values():
            change.reject(error)
        self._seqless.clear()
        self._own_seqs.clear()

    def _question(self, request: int) -> asyncio.Future[Page] | None:
        question = self._questions.pop(request, None)
        # Who asked may have been cancelled.
        return None if question is None or question.done() else question

    def _read(self, user: str | None, message: dict[str, Any]) -> Event:
        # Others see the client id, and could use it under their own name.
        own = message["clientId"] == self._client_id and message["author"] == user
        return Event(message["seq"], message["author"], message["name"], message["payload"], own)
