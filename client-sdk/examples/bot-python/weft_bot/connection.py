"""One connection after another to the server: opened, kept alive, and tried again when it is lost. Knows nothing of rooms."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from .codec import VERSION, ProtocolError, decode_server, encode_client
from .types import Refused, Token

# Bounds of the wait before a retry, in seconds: they double from the first to the second.
RETRY_BASE, RETRY_MAX = 0.5, 30.0
#: How long a server may take to answer before it has told its heartbeat, in seconds.
CONNECT_TIMEOUT = 10.0
TOKEN_EXPIRED = 4407


class Connection:
    """:param received: called with each frame; :param down: called when a connection is lost"""

    def __init__(
        self,
        url: str,
        token: Token,
        client_id: bytes,
        retry_base: float,
        received: Callable[[str, dict[str, Any]], None],
        down: Callable[[], None],
    ) -> None:
        self._url, self._token, self._client_id, self._retry_base = url, token, client_id, retry_base
        self._received, self._down = received, down
        #: Connections that were lost.
        self.losses = 0
        self.closed = False
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._heard = 0.0
        self._patience = CONNECT_TIMEOUT
        self._earliest_retry = 0.0
        self._failures = 0
        self._timers: set[asyncio.TimerHandle] = set()
        #: Called every so many seconds while connected.
        self.renew: tuple[float, Callable[[], None]] | None = None

    async def run(self) -> None:
        """Connects, again and again.

        :raises Refused: when there is no use in it any more
        """
        while not self.closed:
            code, reason = await self._live()
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            self._patience = CONNECT_TIMEOUT
            self._down()
            # The one permanent code that a bot can do something about: a new token.
            renewable = code == TOKEN_EXPIRED and callable(self._token)
            if 4400 <= code < 4500 and not renewable:
                raise Refused(str(code), reason)
            if self.closed:
                return
            self.losses += 1
            await asyncio.sleep(max(0.0, self._earliest_retry - time.monotonic()) + self.jitter(self._failures))
            self._failures += 1

    def send(self, name: str, /, **fields: Any) -> None:
        if self._socket is not None:
            self._outgoing.put_nowait(encode_client(name, **fields))

    def keep_alive(self, heartbeat: float) -> None:
        """P10: both sides say something in each heartbeat, and give up after two without; in seconds."""
        self._patience = 2 * heartbeat

    def stay_away(self, delay: float) -> None:
        """The next attempt comes no sooner than that, in seconds from now."""
        self._earliest_retry = time.monotonic() + delay

    def works(self) -> None:
        """All is well: the next wait is a short one."""
        self._failures = 0

    def later(self, least: float, act: Callable[[], None]) -> None:
        """After a random time, longer with each failure, unless the connection is lost before."""
        self._timers.add(asyncio.get_running_loop().call_later(least + self.jitter(self._failures), act))
        self._failures += 1

    def jitter(self, failures: int) -> float:
        """Full jitter, from the first retry: clients that lost one node do not come back as one."""
        return random.random() * min(RETRY_MAX, self._retry_base * 2.0 ** min(failures, 16))

    async def close(self) -> None:
        self.closed = True
        if self._socket is not None:
            await self._socket.close()

    async def _live(self) -> tuple[int, str]:
        """Lives one connection. Returns its close code and reason."""
        try:
            token = await self._token() if callable(self._token) else self._token
            # Larger messages than the server's limit for frames do not come: it is not known yet.
            async with connect(
                f"{self._url}/v1/connect", max_size=None, ping_interval=None, open_timeout=CONNECT_TIMEOUT, close_timeout=1
            ) as self._socket:
                self._heard = time.monotonic()
                self._outgoing = asyncio.Queue()
                self.send("hello", version=VERSION, token=token, clientId=self._client_id, agent="weft-bot-python")
                tasks = [asyncio.create_task(each(self._socket)) for each in (self._watch, self._write)]
                try:
                    async for data in self._socket:
                        self._heard = time.monotonic()
                        if not isinstance(data, bytes):
                            raise ProtocolError("a text message")
                        name, frame = decode_server(data)
                        if name == "ping":
                            self.send("pong", id=frame["id"])
                        else:
                            self._received(name, frame)
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
        spoken = renewed = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._patience / 4))
            now = time.monotonic()
            if now - self._heard > self._patience:
                socket.transport.abort()
                return
            if now - spoken > self._patience / 4:
                spoken = now
                self.send("ping", id=0)
            if self.renew is not None and now - renewed > self.renew[0]:
                renewed = now
                self.renew[1]()
