"""Awareness updates of y-protocols: varuint count, then per entry varuint id, varuint clock, varstring JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from .codec import GREATEST_INTEGER, ProtocolError


class Entry(NamedTuple):
    client_id: int
    clock: int
    #: JSON; None when the client has gone.
    state: str | None


def write_awareness(entries: Iterable[Entry]) -> bytes:
    listed = list(entries)
    data = _varuint(len(listed))
    for entry in listed:
        state = ("null" if entry.state is None else entry.state).encode()
        data += _varuint(entry.client_id) + _varuint(entry.clock) + _varuint(len(state)) + state
    return data


def read_awareness(data: bytes) -> list[Entry]:
    """:raises ProtocolError: what does not decode"""
    at = 0

    def varuint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data) or shift > 56:
                raise ProtocolError("an awareness update ends too early", "invalid_presence")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if value > GREATEST_INTEGER:
            raise ProtocolError("an integer beyond 2^53 - 1", "invalid_presence")
        return value

    entries = []
    for _ in range(varuint()):
        client_id, clock, length = varuint(), varuint(), varuint()
        if length > len(data) - at:
            raise ProtocolError("an awareness state ends too early", "invalid_presence")
        try:
            state = data[at : at + length].decode()
            value: Any = json.loads(state)
        except ValueError as error:
            raise ProtocolError("an awareness state is not JSON", "invalid_presence") from error
        at += length
        entries.append(Entry(client_id, clock, None if value is None else state))
    if at != len(data):
        raise ProtocolError("bytes follow the awareness update", "invalid_presence")
    return entries


def _varuint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(0x80 | value & 0x7F)
        value >>= 7
    data.append(value)
    return bytes(data)
