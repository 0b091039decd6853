"""The bot's command line: ``python -m weft_bot --help``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress

from .bot import Bot
from .types import Refused


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="weft_bot", description="A Weft client in Python, without the SDK.")
    parser.add_argument("--url", default="ws://127.0.0.1:4400", help="the server (%(default)s)")
    parser.add_argument("--room", default="bots", help="the room (%(default)s)")
    parser.add_argument("--token", help="where the server asks for one")
    parser.add_argument("--name", default="bot", help="what the bot shows as its presence (%(default)s)")
    parser.add_argument("--write", metavar="TEXT", help='adds a line to the document\'s text "text"')
    parser.add_argument("--say", metavar="TEXT", help='appends the message "say" to the room\'s log')
    parser.add_argument("--follow", action="store_true", help="prints the log from its beginning, stays, and prints what happens")
    return parser.parse_args()


async def run(given: argparse.Namespace) -> None:
    def changed() -> None:
        print(f"document: {str(bot.text)!r}", flush=True)

    bot = Bot(given.url, given.room, given.token, on_change=changed)
    bot.show({"name": given.name})
    async with bot:
        here = ", ".join(f"{other.user or 'somebody'} {other.state!r}" for other in bot.others.values())
        print(f"in {given.room}: {here or 'nobody else'}", flush=True)
        if given.write is not None:
            await bot.edit(lambda _: bot.text.insert(len(bot.text), f"{given.write}\n"))
            print("saved", flush=True)
        if given.say is not None:
            print(f"committed as #{await bot.append('say', {'text': given.say})}", flush=True)
        if given.follow:
            async for event in bot.events(past=True):
                print(f"#{event.seq} {event.author or 'somebody'}: {event.name} {event.payload!r}", flush=True)


try:
    with suppress(KeyboardInterrupt):
        asyncio.run(run(options()))
except Refused as refusal:
    sys.exit(str(refusal))
