"""A client of the Weft protocol in one room. PROTOCOL.md has the rules (P1, P2, ...) that the comments name."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Text, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from .awareness import Entry, read_awareness, write_awareness
from .codec import VERSION, ProtocolError, decode_server, encode_client
from .outbox import Change, Outbox

# Bounds of the wait before a retry, in seconds: they double from the first to the second.
RETRY_BASE, RETRY_MAX = 0.5, 30.0
#: Stock clients forget a presence that was not shown again for 30 s.
PRESENCE_RENEWAL = 15.0
#: How long a server may take to answer before it has told its heartbeat, in seconds.
CONNECT_TIMEOUT = 10.0
#: Codes of the table that may succeed later; unknown ones are final.
RETRYABLE = frozenset(
    ("overloaded", "load_failed", "out_of_order", "rate_limited", "draining", "slow", "timeout", "internal")
)
TOKEN_EXPIRED = 4407

Token = str | Callable[[], Awaitable[str]] | None


class Refused(Exception):
    """A refusal, with its ``code`` of the protocol's table."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Event:
    """A durable message of the room."""

    seq: int
    author: str | None
    name: str
    payload: Any
    #: Whether this bot has appended it.
    own: bool


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
        self.url, self.room, self._token = url, room, token
        self._on_change, self._retry_base = on_change, retry_base
        #: States of everybody else in the room, by awareness id.
        self.others: dict[int, Any] = {}
        #: Connections that were lost.
        self.losses = 0
        self._outbox = Outbox()
        self._latest_edit: Change | None = None
        # Makes changes that are sent again recognisable (P27): kept for the bot's life.
        self._client_id = os.urandom(16)
        self._live = asyncio.Event()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        # Where the bot stands in the room: what a JOIN resumes from.
        self._epoch: int | None = None
        self._watermark: int | None = None
        self._seen = 0
        # Appends that a cumulative ACK settled without telling their seq, and seqs whose ACK is yet to come.
        self._seqless: dict[int, Change] = {}
        self._own_seqs: dict[int, int] = {}
        # The running connection.
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._joined: dict[str, Any] | None = None
        self._pieces: list[bytes] = []
        self._update_bytes = 0
        self._requests = 0
        self._heard = 0.0
        self._patience = CONNECT_TIMEOUT
        self._earliest_retry = 0.0
        self._failures = self._refusals = 0
        self._hold: asyncio.TimerHandle | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._presence: Any = None
        self._presence_clock = 0
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
        self._presence = state
        self._send_presence()

    async def events(self) -> AsyncIterator[Event]:
        """The durable messages from the first time in the room on: each once, in order. Ends with the bot.

        They wait in memory until they are taken here.
        """
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)

    async def saved(self) -> None:
        """Returns when all changes up to now are committed."""
        await asyncio.gather(*(change.settled for change in self._outbox.pending))

    async def close(self) -> None:
        """Ends the bot. What is unsaved is given up: ``await bot.saved()`` first."""
        self._end(Refused("closed", "the bot was closed"))
        if self._socket is not None:
            await self._socket.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    # Connections, one after another.

    async def _run(self) -> None:
        try:
            await self._connections()
        except Exception as error:
            self._end(error)
            raise

    async def _connections(self) -> None:
        while self._error is None:
            code, reason = await self._connection()
            self._leave()
            self._patience = CONNECT_TIMEOUT
            # The one permanent code that a bot can do something about: a new token.
            renewable = code == TOKEN_EXPIRED and callable(self._token)
            if 4400 <= code < 4500 and not renewable:
                self._end(Refused(str(code), reason))
            if self._error is not None:
                return
            self.losses += 1
            await asyncio.sleep(max(0.0, self._earliest_retry - time.monotonic()) + self._jitter(self._failures))
            self._failures += 1

    async def _connection(self) -> tuple[int, str]:
        """Lives one connection. Returns its close code and reason."""
        try:
            token = await self._token() if callable(self._token) else self._token
            # Larger messages than the server's limit for frames do not come: it is not known yet.
            async with connect(
                f"{self.url}/v1/connect", max_size=None, ping_interval=None, open_timeout=CONNECT_TIMEOUT, close_timeout=1
            ) as self._socket:
                self._heard = time.monotonic()
                self._outgoing = asyncio.Queue()
                self._send("hello", version=VERSION, token=token, clientId=self._client_id, agent="weft-bot-python")
                tasks = [asyncio.create_task(each(self._socket)) for each in (self._watch, self._write)]
                try:
                    async for data in self._socket:
                        self._heard = time.monotonic()
                        if not isinstance(data, bytes):
                            raise ProtocolError("a text message")
                        self._receive(*decode_server(data))
                finally:
                    for task in tasks:
                        task.cancel()
                return self._socket.close_code or 1006, self._socket.close_reason or ""
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        except ProtocolError as error:
            return 4400, str(error)
        except (OSError, WebSocketException, TimeoutError) as error:
            return 1006, str(error)
        finally:
            self._socket = None

    async def _write(self, socket: ClientConnection) -> None:
        """One writer, so that frames keep their order."""
        with suppress(ConnectionClosed):
            while True:
                await socket.send(await self._outgoing.get())

    async def _watch(self, socket: ClientConnection) -> None:
        """P10: says something in each heartbeat, and gives up after two without hearing anything."""
        spoken = shown = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._patience / 4))
            now = time.monotonic()
            if now - self._heard > self._patience:
                socket.transport.abort()
                return
            if now - spoken > self._patience / 4:
                spoken = now
                self._send("ping", id=0)
            if now - shown > PRESENCE_RENEWAL:
                shown = now
                self._send_presence()

    # What the server says.

    def _receive(self, name: str, frame: dict[str, Any]) -> None:
        if name != "joined" and "room" in frame and (self._joined is None or frame["room"] != self._joined["room"]):
            return
        # P4: a client takes what it has use for.
        if take := getattr(self, f"_on_{name}", None):
            take(**frame)

    def _on_welcome(self, heartbeat: int, limits: Mapping[str, int], **_: Any) -> None:
        self._update_bytes = min(limits["updateBytes"], limits["frameBytes"] - 64)
        self._patience = 2 * heartbeat / 1000
        self._join()

    def _on_ping(self, id: int) -> None:
        self._send("pong", id=id)

    def _on_joined(self, **joined: Any) -> None:
        if self._epoch is not None and joined["epoch"] != self._epoch:
            self._reset()
        if self._epoch is None:
            # P18: messages up to the head are history, unless the JOIN resumes.
            self._seen = joined["head"]
        self._epoch, self._joined = joined["epoch"], joined
        self._pieces.clear()
        self.others.clear()

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

    def _on_event(self, seq: int, author: str | None, clientId: bytes, n: int, name: str, payload: Any, **_: Any) -> None:
        # P28: in order, each once: what came before a reconnect may come again.
        if seq <= self._seen:
            return
        self._seen = seq
        own = clientId == self._client_id
        if own and (change := self._seqless.pop(n, None)):
            change.resolve(seq)
        elif own:
            self._own_seqs[n] = seq
        self._events.put_nowait(Event(seq, author, name, payload, own))

    def _on_watermark(self, seq: int, **_: Any) -> None:
        self._watermark = seq

    def _on_ack(self, n: int, seq: int, **_: Any) -> None:
        self._refusals = 0
        for change in self._outbox.acknowledge(n):
            known = self._own_seqs.pop(change.n, None)
            if change.n == n:
                change.resolve(seq)
            elif change.kind == "update" or known is not None:
                change.resolve(known)
            else:
                self._seqless[change.n] = change

    def _on_nack(self, n: int, code: str, message: str, **_: Any) -> None:
        # P14: no decision about the change, it is sent again in the next membership. P23: out_of_order follows from another.
        if code in ("not_joined", "out_of_order") or self._hold is not None:
            return
        if code not in RETRYABLE:
            self._refused_for_good(n, Refused(code, message))
            return

        def release() -> None:
            self._hold = None
            self._outbox.rewind(n)
            self._flush()

        self._hold = asyncio.get_running_loop().call_later(self._jitter(self._refusals), release)
        self._refusals += 1

    def _on_presences(self, awareness: bytes, **_: Any) -> None:
        for entry in read_awareness(awareness):
            if entry.state is None:
                self.others.pop(entry.client_id, None)
            elif entry.client_id != self.doc.client_id:
                self.others[entry.client_id] = json.loads(entry.state)

    def _on_access(self, access: str, **_: Any) -> None:
        if self._joined is not None:
            self._joined = {**self._joined, "access": access}

    def _on_left(self, code: str, message: str, **_: Any) -> None:
        self._leave()
        self._join_later(code, message, 0)

    def _on_error(self, request: int | None, code: str, message: str, retryAfter: int) -> None:
        self._earliest_retry = time.monotonic() + retryAfter / 1000
        # Without a request it comes before a close (whose code decides), or tells of a dropped presence.
        if request is not None:
            self._join_later(code, message, retryAfter / 1000)

    def _on_drain(self, delay: int) -> None:
        # P11: what was sent before is still acknowledged; the rest goes to the next node.
        self._earliest_retry = time.monotonic() + delay / 1000
        self._live.clear()

    # Membership.

    def _join(self) -> None:
        self._requests += 1
        self._send(
            "join",
            request=self._requests,
            room=self.room,
            epoch=self._epoch,
            after=self._watermark,
            stateVector=self.doc.get_state(),
        )

    def _join_later(self, code: str, message: str, advised: float) -> None:
        if code not in RETRYABLE:
            self._end(Refused(code, message))
            return
        self._timers.add(asyncio.get_running_loop().call_later(advised + self._jitter(self._failures), self._join))
        self._failures += 1

    def _synced(self) -> None:
        assert self._joined is not None
        self._watermark = max(self._watermark or 0, self._joined["head"])
        self._failures = 0
        self._outbox.rewind()
        if self._joined["access"] == "write" and (self._joined["mode"] != "resume" or self._outbox.pending):
            self._add_what_is_missing(self._joined["stateVector"])
        self._live.set()
        self._flush()
        self._send_presence()

    def _add_what_is_missing(self, state: bytes) -> None:
        """P19: others' changes which this bot heard, and which their node may have lost before the commit."""
        committed, held = _clocks(state), _clocks(self.doc.get_state())
        # The bot's own are in the outbox, if they are not committed.
        held.pop(self.doc.client_id, None)
        if any(clock > committed.get(client, 0) for client, clock in held.items()):
            self._outbox.add("update", update=self.doc.get_update(state))

    def _leave(self) -> None:
        self._joined = None
        if self._error is None:
            self._live.clear()
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _reset(self) -> None:
        """P20: the document belonged to a room that is gone."""
        gone = Refused("room_deleted", "the room was deleted and made again")
        self._outbox.clear(gone)
        for change in self._seqless.values():
            change.reject(gone)
        self._seqless.clear()
        self._own_seqs.clear()
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
            self._send(change.kind, room=self._joined["room"], n=change.n, **change.body)

    def _refused_for_good(self, n: int, refusal: Refused) -> None:
        change = self._outbox.refuse(n)
        if change is None:
            return
        change.reject(refusal)
        if change.kind == "update":
            # It stays in the document, and later edits hang on it: this document and the room's never meet again.
            self._end(refusal)

    def _send_presence(self) -> None:
        if self._joined is None or not self._live.is_set() or self._presence is None:
            return
        self._presence_clock += 1
        entry = Entry(self.doc.client_id, self._presence_clock, json.dumps(self._presence))
        self._send("presence", room=self._joined["room"], awareness=write_awareness([entry]))

    def _send(self, name: str, /, **fields: Any) -> None:
        if self._socket is not None:
            self._outgoing.put_nowait(encode_client(name, **fields))

    def _jitter(self, failures: int) -> float:
        """Full jitter, from the first retry: clients that lost one node do not come back as one."""
        return random.random() * min(RETRY_MAX, self._retry_base * 2.0 ** min(failures, 16))

    def _end(self, error: Exception) -> None:
        if self._error is not None:
            return
        self._error = error
        self._leave()
        self._outbox.clear(error)
        for change in self._seqless.values():
            change.reject(error)
        self._live.set()
        self._events.put_nowait(None)


def _clocks(state: bytes) -> dict[int, int]:
    """A Yjs state vector, v1: varuint count, then per client varuint id, varuint clock."""
    numbers: list[int] = []
    value = shift = 0
    for byte in state:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2]))
