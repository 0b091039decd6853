"""A client of the Weft protocol in one room. PROTOCOL.md has the rules (P1, P2, ...) that the comments name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

from .connection import RETRY_BASE, Connection
from .log import PAGE, Log
from .outbox import Change, Outbox
from .presence import Presence
from .state_vector import lacks
from .types import Event, Other, Page, Refused, Token

#: Stock clients forget a presence that was not shown again for 30 s.
PRESENCE_RENEWAL = 15.0


class Bot:
    """``async with Bot(url, room) as bot:`` is in the room until the block ends.

    :param url: ``ws://host:port``, without the path
    :param token: a token, or what brings one: asked at every connection, again later after an OSError
    :param on_change: called when the document has changed by others
    :param retry_base: in seconds; for tests
    """

    def __init__(
        self,
        url: str,
        room: str,
        token: Token = None,
        *,
        on_change: Callable[[], None] = lambda: None,
        retry_base: float = RETRY_BASE,
    ) -> None:
        self.room = room
        self._on_change = on_change
        self._outbox = Outbox()
        self._latest_edit: Change | None = None
        # Makes changes that are sent again recognisable (P27): kept for the bot's life.
        client_id = os.urandom(16)
        self._connection = Connection(url, token, client_id, retry_base, self._receive, self._leave)
        self._connection.renew = PRESENCE_RENEWAL, self._send_presence
        self._live = asyncio.Event()
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        # Where the bot stands in the room: what a JOIN resumes from.
        self._epoch: int | None = None
        self._watermark: int | None = None
        self._log = Log(client_id)
        self._presence = Presence()
        # The running connection, and as whom the server knows the bot on it.
        self._user: str | None = None
        self._joined: dict[str, Any] | None = None
        self._pieces: list[bytes] = []
        self._update_bytes = 0
        self._requests = 0
        self._refusals = 0
        self._hold: asyncio.TimerHandle | None = None
        self._new_document()

    # What a program does with it.

    async def __aenter__(self) -> Bot:
        self._task = asyncio.create_task(self._run())
        await self.live()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def text(self) -> Text:
        """The text "text" of the document ``doc``."""
        text: Text = self.doc.get("text", type=Text)
        return text

    @property
    def others(self) -> Mapping[int, Other]:
        """Everybody else in the room, by awareness id."""
        return self._presence.others

    @property
    def losses(self) -> int:
        """Connections that were lost."""
        return self._connection.losses

    @property
    def start(self) -> int:
        """The first seq that comes as an event; what is before it is history."""
        return self._log.start

    async def live(self) -> None:
        """Returns when the room's state is here and changes flow.

        :raises Refused: when the bot has ended instead
        """
        await self._live.wait()
        if self._error is not None:
            raise self._error

    async def edit(self, change: Callable[[Doc[Any]], None]) -> None:
        """Edits the document in one transaction; returns when the edit is committed.

        :raises Refused: when it was refused
        """
        if self._joined is not None and self._joined["access"] == "read":
            raise Refused("forbidden", "the token grants reading only")
        before = self._latest_edit
        with self.doc.transaction():
            change(self.doc)
        if self._latest_edit is not None and self._latest_edit is not before:
            await self._latest_edit.settled

    async def append(self, name: str, payload: Any) -> int:
        """Appends a durable message; returns its seq, after the commit.

        :raises Refused: when it was refused
        """
        if self._error is not None:
            raise self._error
        change = self._outbox.add("append", name=name, payload=payload)
        self._flush()
        seq = await change.settled
        if seq is None:
            raise RuntimeError(f"message {change.n} was acknowledged without a seq")
        return seq

    def show(self, state: Any) -> None:
        """Shows a state (plain JSON) to the others, until the bot ends."""
        self._presence.own = state
        self._send_presence()

    async def events(self, past: bool = False) -> AsyncIterator[Event]:
        """The durable messages from the first time in the room on, or with ``past`` from the first one on: each once, in
        order. Ends with the bot.

        Those that come wait in memory until they are taken here.
        """
        after, more = 0, past
        while more:
            page = await self._page(after)
            for event in page.events:
                after = event.seq
                yield event
            more = page.more
        while (event := await self._log.queue.get()) is not None:
            yield event
        self._log.queue.put_nowait(None)

    async def history(self, after: int | None = None, before: int | None = None, limit: int = 100) -> Page:
        """Reads the log: with ``after`` the first ``limit`` messages between the bounds, without it the last.

        :raises Refused: ``not_joined`` when the connection is lost meanwhile
        """
        if self._joined is None:
            raise Refused("not_joined", "the bot is not in the room now")
        self._requests += 1
        answer = self._log.ask(self._requests)
        self._connection.send(
            "history", request=self._requests, room=self._joined["room"], after=after, before=before, limit=limit
        )
        return await answer

    async def saved(self) -> None:
        """Returns when all changes up to now are committed."""
        await asyncio.gather(*(change.settled for change in self._outbox.pending))

    async def close(self) -> None:
        """Ends the bot. What is unsaved is given up: ``await bot.saved()`` first."""
        self._end(Refused("closed", "the bot was closed"))
        await self._connection.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            await self._connection.run()
        except Exception as error:
            self._end(error)
            if not isinstance(error, Refused):
                raise

    async def _page(self, after: int) -> Page:
        while True:
            await self.live()
            try:
                return await self.history(after, self._log.start, PAGE)
            except Refused as refusal:
                # The membership has ended (P50), or the server cannot read it now.
                if refusal.code != "not_joined" and not refusal.retryable:
                    raise
                await asyncio.sleep(self._connection.jitter(0))

    # What the server says.

    def _receive(self, name: str, frame: dict[str, Any]) -> None:
        if name != "joined" and "room" in frame and (self._joined is None or frame["room"] != self._joined["room"]):
            return
        # P4: a client takes what it has use for.
        if take := getattr(self, f"_on_{name}", None):
            take(**frame)

    def _on_welcome(self, user: str | None, heartbeat: int, limits: Mapping[str, int], **_: Any) -> None:
        self._user = user
        self._update_bytes = min(limits["updateBytes"], limits["frameBytes"] - 64)
        self._connection.keep_alive(heartbeat / 1000)
        self._join()

    def _on_joined(self, **joined: Any) -> None:
        if self._epoch is not None and joined["epoch"] != self._epoch:
            self._reset()
        if self._epoch is None:
            # P18: messages up to the head are history, unless the JOIN resumes.
            self._log.begin(joined["head"])
        self._epoch, self._joined = joined["epoch"], joined
        self._pieces.clear()
        self._presence.clear()

    def _on_sync(self, part: str, data: bytes, **_: Any) -> None:
        self._pieces.append(data)
        if part == "more":
            return
        self._apply(b"".join(self._pieces))
        self._pieces.clear()
        if part == "done":
            self._synced()

    def _on_updates(self, updates: list[bytes], **_: Any) -> None:
        for update in updates:
            self._apply(update)

    def _on_event(self, **event: Any) -> None:
        self._log.take(self._user, event)

    def _on_historyPage(self, request: int, events: list[dict[str, Any]], more: bool, **_: Any) -> None:
        self._log.answer(self._user, request, events, more)

    def _on_watermark(self, seq: int, **_: Any) -> None:
        self._watermark = seq

    def _on_ack(self, n: int, seq: int, **_: Any) -> None:
        self._refusals = 0
        for change in self._outbox.acknowledge(n):
            known = seq if change.n == n else None
            if change.kind == "update":
                change.resolve(known)
            else:
                self._log.committed(change, known)

    def _on_nack(self, n: int, code: str, message: str, **_: Any) -> None:
        # P14: no decision about the change, it is sent again in the next membership. P23: out_of_order follows from another.
        if code in ("not_joined", "out_of_order") or self._hold is not None:
            return
        refusal = Refused(code, message)
        if not refusal.retryable:
            self._refused_for_good(n, refusal)
            return

        def release() -> None:
            self._hold = None
            self._outbox.rewind(n)
            self._flush()

        self._hold = asyncio.get_running_loop().call_later(self._connection.jitter(self._refusals), release)
        self._refusals += 1

    def _on_users(self, users: list[dict[str, Any]], **_: Any) -> None:
        self._presence.identify(users)

    def _on_presences(self, awareness: bytes, **_: Any) -> None:
        self._presence.take(awareness, self.doc.client_id)

    def _on_access(self, access: str, **_: Any) -> None:
        if self._joined is not None:
            self._joined = {**self._joined, "access": access}

    def _on_left(self, code: str, message: str, **_: Any) -> None:
        self._leave()
        self._join_later(Refused(code, message), 0)

    def _on_error(self, request: int | None, code: str, message: str, retryAfter: int) -> None:
        self._connection.stay_away(retryAfter / 1000)
        # Without a request it comes before a close (whose code decides), or tells of a dropped presence.
        refusal = Refused(code, message)
        if request is not None and not self._log.refuse(request, refusal):
            self._join_later(refusal, retryAfter / 1000)

    def _on_drain(self, delay: int) -> None:
        # P11: what was sent before is still acknowledged; the rest goes to the next node.
        self._connection.stay_away(delay / 1000)
        self._live.clear()

    # Membership.

    def _join(self) -> None:
        self._requests += 1
        where = {"epoch": self._epoch, "after": self._watermark, "stateVector": self.doc.get_state()}
        self._connection.send("join", request=self._requests, room=self.room, **where)

    def _join_later(self, refusal: Refused, advised: float) -> None:
        if refusal.retryable:
            self._connection.later(advised, self._join)
        else:
            self._end(refusal)

    def _synced(self) -> None:
        assert self._joined is not None
        self._watermark = max(self._watermark or 0, self._joined["head"])
        self._connection.works()
        self._outbox.rewind()
        # P19: others' changes which this bot heard, and which their node may have lost before the commit. The bot's own are in
        # the outbox, if they are not committed.
        committed = self._joined["stateVector"]
        if self._joined["access"] == "write" and lacks(committed, self.doc.get_state(), but=self.doc.client_id):
            self._outbox.add("update", update=self.doc.get_update(committed))
        self._live.set()
        self._flush()
        self._send_presence()

    def _leave(self) -> None:
        self._joined = None
        self._log.leave()
        if self._error is None:
            self._live.clear()
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _reset(self) -> None:
        """P20: the document belonged to a room that is gone."""
        gone = Refused("room_deleted", "the room was deleted and made again")
        self._outbox.clear(gone)
        self._log.clear(gone)
        self._epoch = self._watermark = None
        self._new_document()

    def _new_document(self) -> None:
        self.doc: Doc[Any] = Doc()
        self._applying = False
        self.doc.observe(self._on_transaction)

    # Changes.

    def _apply(self, update: bytes) -> None:
        if not update:
            return
        self._applying = True
        try:
            self.doc.apply_update(update)
        finally:
            self._applying = False
        self._on_change()

    def _on_transaction(self, event: TransactionEvent) -> None:
        if not self._applying:
            self._latest_edit = self._outbox.add("update", update=event.update)
            self._flush()

    def _flush(self) -> None:
        """Sends what is due, unless a refused change has to go first (P23)."""
        if self._joined is None or not self._live.is_set() or self._hold is not None:
            return
        for change in self._outbox.take():
            if change.kind == "update" and len(change.body["update"]) > self._update_bytes:
                # Sent, it could cost the connection (P5), again and again.
                size = len(change.body["update"])
                self._refused_for_good(change.n, Refused("too_large", f"the update has {size} bytes"))
                return
            self._connection.send(change.kind, room=self._joined["room"], n=change.n, **change.body)

    def _refused_for_good(self, n: int, refusal: Refused) -> None:
        change = self._outbox.refuse(n)
        if change is None:
            return
        change.reject(refusal)
        if change.kind == "update":
            # It stays in the document, and later edits hang on it: this document and the room's never meet again.
            self._end(refusal)

    def _send_presence(self) -> None:
        if self._joined is None or not self._live.is_set():
            return
        if awareness := self._presence.next(self.doc.client_id):
            self._connection.send("presence", room=self._joined["room"], awareness=awareness)

    def _end(self, error: Exception) -> None:
        if self._error is not None:
            return
        self._error = error
        self._leave()
        self._outbox.clear(error)
        self._log.clear(error)
        self._connection.closed = True
        self._live.set()
        self._log.queue.put_nowait(None)
