"""The Python bot against a server process, which is killed in the middle, beside the other kinds of clients."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import unittest
from typing import Any

from weft_bot import Bot, Event, Other, Refused

from .server import Peers, Proxy, Server, until


SECRET = "a secret for tests, of at least 32 bytes"


def token_of(user: str) -> str:
    """A JSON Web Token that grants everything."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    parts = [{"alg": "HS256"}, {"sub": user, "rooms": {"*": "write"}}]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


class Live(unittest.IsolatedAsyncioTestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()

    async def asyncSetUp(self) -> None:
        await self.server.start()

    async def asyncTearDown(self) -> None:
        await self.server.kill()

    def bot(self, room: str) -> Bot:
        return Bot(self.server.url, room, retry_base=0.1)

    async def test_all_kinds_of_clients_converge_and_agree_on_the_log_over_a_kill(self) -> None:
        """P21, P24, P27, P28, P30"""
        async with self.bot("all") as bot:
            peers = Peers()
            await peers.start(self.server.url, "all")
            self.addAsyncCleanup(peers.stop)
            bot.show({"name": "python"})
            heard: list[Event] = []

            async def follow() -> None:
                async for event in bot.events():
                    heard.append(event)

            following = asyncio.create_task(follow())
            said: list[asyncio.Task[int]] = []

            async def round_of_changes() -> None:
                said.append(asyncio.create_task(bot.append("say", {"from": "python", "i": len(said)})))
                bot.text.insert(0, "p")
                await peers.ask("edit")
                await peers.ask("say")

            def names() -> set[Any]:
                return {other.state["name"] for other in bot.others.values()}

            await until(lambda: names() == {"typescript", "sdk", "stock"}, "the bot sees all others")
            for _ in range(10):
                await round_of_changes()
            await said[0]
            for _ in range(10):
                await round_of_changes()
            await self.server.kill()
            await until(lambda: bot.losses > 0, "the loss")
            for _ in range(10):
                await round_of_changes()
            await self.server.start()

            seqs = await asyncio.gather(*said)
            await bot.saved()
            await until(lambda: len(heard) >= 60, "all messages")
            view: dict[str, Any] = {}

            async def settled() -> bool:
                view.update(await peers.ask("look"))
                texts = [*view["texts"].values(), str(bot.text)]
                return all(len(text) == 120 for text in texts) and len(view["events"]) >= 60 and view["unsaved"] == 0

            await until(settled, "everybody has everything")
            self.assertEqual({*view["texts"].values()}, {str(bot.text)})
            self.assertEqual([[event.seq, event.payload] for event in heard], view["events"])
            self.assertEqual([event.seq for event in heard if event.own], seqs)
            self.assertEqual([event.payload["i"] for event in heard if event.own], list(range(30)))
            await until(lambda: names() == {"typescript", "sdk", "stock"}, "they are seen again")
            following.cancel()

    async def test_changes_whose_answers_were_lost_are_there_once(self) -> None:
        """P21, P22, P27, P28"""
        proxy = Proxy(self.server.port)
        await proxy.start()
        self.addAsyncCleanup(proxy.stop)
        async with self.bot("lost answers") as other, Bot(proxy.url, "lost answers", retry_base=0.1) as bot:
            heard: dict[Bot, list[tuple[int, Any]]] = {other: [], bot: []}

            async def follow(which: Bot) -> None:
                async for event in which.events():
                    heard[which].append((event.seq, event.payload))

            following = [asyncio.create_task(follow(which)) for which in heard]
            proxy.deaf = True
            said = []
            for i in range(5):
                said.append(asyncio.create_task(bot.append("say", i)))
                bot.text.insert(0, "x")
            await until(lambda: len(heard[other]) == 5, "they are committed")
            self.assertFalse(any(each.done() for each in said))
            proxy.cut()
            seqs = await asyncio.gather(*said)
            last = await bot.append("say", "last")
            await until(lambda: all(each and each[-1][0] == last for each in heard.values()), "the last one")
            self.assertEqual(heard[other], [*zip(seqs, range(5)), (last, "last")])
            self.assertEqual(heard[bot], heard[other])
            self.assertEqual(str(other.text), "xxxxx")
            for task in following:
                task.cancel()

    async def test_what_is_refused_is_told(self) -> None:
        """P23, P25: a message refused for good is told, and the bot goes on; a refused update ends it"""
        async with self.bot("refusals") as bot:
            with self.assertRaises(Refused) as refusal:
                await bot.append("much", "x" * 70_000)
            self.assertEqual(refusal.exception.code, "too_large")
            self.assertGreater(await bot.append("little", {"bytes": b"\x00", "float": 0.5}), 0)
            with self.assertRaises(Refused) as refusal:
                await bot.edit(lambda _: bot.text.insert(0, "x" * (17 << 20)))
            self.assertEqual(refusal.exception.code, "too_large")
            with self.assertRaises(Refused):
                await bot.append("after the end", None)

    async def test_what_was_written_is_read_by_the_next(self) -> None:
        """P16, P22"""
        async with self.bot("next") as first:
            await first.edit(lambda _: first.text.insert(0, "kept 🧶"))
        await self.server.kill()
        await self.server.start()
        async with self.bot("next") as second:
            self.assertEqual(str(second.text), "kept 🧶")

    async def test_the_past_and_what_comes_are_the_whole_log(self) -> None:
        """P50 to P53: each message once, over a kill of the server between two pages"""
        async with self.bot("past") as writer:
            await asyncio.gather(*(writer.append("say", i) for i in range(1_100)))
            async with self.bot("past") as bot:
                heard: list[Event] = []
                said: list[asyncio.Task[int]] = []
                async for event in bot.events(past=True):
                    heard.append(event)
                    if len(heard) == 900:
                        said = [asyncio.create_task(writer.append("say", i)) for i in (1_100, 1_101)]
                        await self.server.kill()
                        await self.server.start()
                    if event.payload == 1_101:
                        break
                await asyncio.gather(*said)
                self.assertEqual([event.payload for event in heard], list(range(1_102)))
                self.assertEqual(len({event.seq for event in heard}), 1_102)

                page = await bot.history(before=1_000, limit=2)
                self.assertEqual(([event.seq for event in page.events], page.more), ([998, 999], True))
                last = (await writer.history(limit=1)).events[0]
                self.assertEqual((last.payload, last.own), (1_101, True))

    async def test_who_shows_and_says_something_is_who_the_token_says(self) -> None:
        """P58"""
        server = Server(JWT_SECRET=SECRET)
        await server.start()
        self.addAsyncCleanup(server.stop)
        async with Bot(server.url, "users", token_of("ada")) as ada, Bot(server.url, "users", token_of("bob")) as bob:
            for bot in (ada, bob):
                bot.show({"name": "Bob"})
            await until(lambda: ada.others and bob.others, "they see each other")
            self.assertEqual([*bob.others.values()], [Other("ada", {"name": "Bob"})])
            self.assertEqual([*ada.others.values()], [Other("bob", {"name": "Bob"})])
            await ada.append("say", "who am I?")
            event = await anext(bob.events())
            self.assertEqual((event.author, event.own), ("ada", False))
            self.assertEqual([(each.author, each.own) for each in (await ada.history()).events], [("ada", True)])
