"""A Weft server process of a test's own, which it may kill and start again, and other clients in another process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]


async def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Waits for what nothing announces; an awaitable condition is awaited."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(what)


class Server:
    def __init__(self, **settings: str) -> None:
        self._settings = settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._dir = tempfile.TemporaryDirectory(prefix="weft-bot-", ignore_cleanup_errors=True)
        self._process: Process | None = None

    async def start(self) -> None:
        env = {
            "PATH": os.environ["PATH"], "PORT": str(self.port), "DATA_DIR": f"{self._dir.name}/data", "DOC_WORKERS": "1",
            "PLAYGROUND": "false", "LOG_LEVEL": "error", "HOME": os.environ.get("HOME", "/"), **self._settings,
        }
        self._process = await asyncio.create_subprocess_exec(
            "node", ROOT / "server/dist/main.js", "start", env=env, stdout=DEVNULL, stderr=None
        )
        await until(lambda: asyncio.to_thread(self._answers), "the server answers", 120)

    def _answers(self) -> bool:
        assert self._process is not None and self._process.returncode is None, "the server stopped"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        await self._process.wait()
        self._dir.cleanup()


class Peers:
    """The TypeScript bot, an SDK client and a stock client: see peers.mjs."""

    async def start(self, url: str, room: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "node", Path(__file__).with_name("peers.mjs"), url, room, stdin=PIPE, stdout=PIPE, limit=1 << 24
        )
        assert await self._line() == "ready"

    async def ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        return await self._line()

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return json.loads(await self._process.stdout.readline())

    async def stop(self) -> None:
        self._process.kill()
        await self._process.wait()


class Proxy:
    """A network between a client and the server, which can lose the answers and then the connection."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._writers: list[asyncio.StreamWriter] = []
        #: Whether what the server says is lost.
        self.deaf = False

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers += [writer, server_writer]

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, answers: bool) -> None:
            while data := await source.read(65536):
                if not (answers and self.deaf):
                    target.write(data)
            target.close()

        await asyncio.gather(
            copy(reader, server_writer, False), copy(server_reader, writer, True), return_exceptions=True
        )

    def cut(self) -> None:
        """Ends all connections; those that come after it are heard again."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.deaf = False

    async def stop(self) -> None:
        self.cut()
        self._listener.close()
