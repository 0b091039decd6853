"""The frames of PROTOCOL.md (P1 to P3, P45), by a table: a new frame is a line.

A frame is its name and a dict of its fields: ``decode_server(data) -> ("ack", {"room": 7, "n": 1, "seq": 3})``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

GREATEST_INTEGER = 2**53 - 1
PAYLOAD_DEPTH = 32
VERSION = 1

Frame = tuple[str, dict[str, Any]]


class ProtocolError(Exception):
    """Bytes that are no frame. ``code`` is one of the protocol's table."""

    def __init__(self, message: str, code: str = "invalid_frame") -> None:
        super().__init__(message)
        self.code = code


class Kind(NamedTuple):
    """The type of a field: what it is on the wire, and what here. Both ways raise ProtocolError."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def _same(check: Callable[[Any], Any]) -> Kind:
    return Kind(check, check)


def _integer(value: Any, least: int = 0, most: int = GREATEST_INTEGER) -> int:
    # bool is an int in Python, and not in MessagePack.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ProtocolError(f"no integer from {least} to {most}")
    return value


def integer(least: int = 0, most: int = GREATEST_INTEGER) -> Kind:
    return _same(lambda value: _integer(value, least, most))


def text(most: int) -> Kind:
    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value.encode()) > most:
            raise ProtocolError(f"no string of at most {most} bytes")
        return value

    return _same(check)


def binary(length: int | None = None) -> Kind:
    def check(value: Any) -> bytes:
        if not isinstance(value, bytes) or (length is not None and len(value) != length):
            raise ProtocolError("no binary" if length is None else f"no {length} bytes of binary")
        return value

    return _same(check)


def optional(kind: Kind) -> Kind:
    return Kind(
        lambda value: None if value is None else kind.decode(value),
        lambda value: None if value is None else kind.encode(value),
    )


def one_of(*names: str) -> Kind:
    def name_of(number: Any) -> str:
        return names[_integer(number, 0, len(names) - 1)]

    def number_of(name: Any) -> int:
        if name not in names:
            raise ProtocolError(f"{name!r} is none of {', '.join(names)}")
        return names.index(name)

    return Kind(name_of, number_of)


def listing(kind: Kind) -> Kind:
    def each(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
        def all_of(value: Any) -> list[Any]:
            if not isinstance(value, (list, tuple)):
                raise ProtocolError("no array")
            return [convert(item) for item in value]

        return all_of

    return Kind(each(kind.decode), each(kind.encode))


def row(**fields: Kind) -> Kind:
    """An array whose elements have names; surplus elements are ignored (P4)."""

    def decode(value: Any) -> dict[str, Any]:
        if not isinstance(value, list) or len(value) < len(fields):
            raise ProtocolError("no row of the right length")
        return {name: kind.decode(item) for (name, kind), item in zip(fields.items(), value)}

    return Kind(decode, lambda value: [kind.encode(value[name]) for name, kind in fields.items()])


def _plain(value: Any, depth: int = PAYLOAD_DEPTH) -> Any:
    """`any` of PROTOCOL.md."""
    if value is None or isinstance(value, (bool, float, str, bytes)):
        return value
    if isinstance(value, int):
        return _integer(value, -GREATEST_INTEGER)
    if isinstance(value, (list, tuple, dict)) and depth == 0:
        raise ProtocolError("a payload is nested too deeply")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, depth - 1) for key, item in value.items()}
    raise ProtocolError(f"a payload holds what MessagePack has not: {type(value).__name__}")


LIMITS = ("frameBytes", "updateBytes", "eventBytes", "presenceBytes", "roomsPerConnection")


def _limits(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ProtocolError("no map of limits")
    for name, limit in value.items():
        label.decode(name)
        if name in LIMITS:
            _integer(limit)
    if missing := [name for name in LIMITS if name not in value]:
        raise ProtocolError(f"no limit {missing[0]}")
    return {name: value[name] for name in LIMITS}


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError("no boolean")
    return value


def _version(value: Any) -> int:
    if _integer(value) != VERSION:
        raise ProtocolError(f"version {value} is not {VERSION}", "unsupported_version")
    return VERSION


version = _same(_version)
count, number = integer(), integer(least=1)
token = user = text(16_384)
label, name_of_message, message, agent, room_name = text(64), text(128), text(4096), text(256), text(65_536)
client_id, blob, payload = binary(16), binary(), _same(_plain)
limits, boolean = _same(_limits), _same(_boolean)
message_row = row(
    seq=count, author=optional(user), clientId=client_id, n=number, time=count, name=name_of_message, payload=payload
)

BOTH: dict[int, tuple[str, dict[str, Kind]]] = {
    9: ("ping", dict(id=count)),
    10: ("pong", dict(id=count)),
}
CLIENT: dict[int, tuple[str, dict[str, Kind]]] = {
    1: ("hello", dict(version=version, token=optional(token), clientId=client_id, agent=agent)),
    2: ("join", dict(request=count, room=room_name, epoch=optional(count), after=optional(count), stateVector=optional(blob))),
    3: ("leave", dict(room=count)),
    4: ("update", dict(room=count, n=number, update=blob)),
    5: ("presence", dict(room=count, awareness=blob)),
    6: ("append", dict(room=count, n=number, name=name_of_message, payload=payload)),
    7: ("broadcast", dict(room=count, name=name_of_message, payload=payload)),
    8: ("auth", dict(token=token)),
    11: ("history", dict(request=count, room=count, after=optional(count), before=optional(count), limit=integer(1, 1000))),
    12: ("seed", dict(room=count, n=number, update=blob)),
    **BOTH,
}
SERVER: dict[int, tuple[str, dict[str, Kind]]] = {
    16: ("welcome", dict(version=count, session=label, node=label, user=optional(user), heartbeat=count, limits=limits)),
    17: (
        "joined",
        dict(
            request=count, room=count, epoch=count, head=count,
            access=one_of("read", "write"), mode=one_of("full", "resume", "diff"), stateVector=blob,
        ),
    ),
    18: ("sync", dict(room=count, part=one_of("more", "update", "done"), data=blob)),
    19: ("updates", dict(room=count, updates=listing(blob))),
    20: ("ack", dict(room=count, n=number, seq=count)),
    21: ("nack", dict(room=count, n=number, code=label, message=message)),
    22: ("presences", dict(room=count, awareness=blob)),
    23: (
        "event",
        dict(
            room=count, seq=count, author=optional(user), clientId=client_id, n=number, time=count,
            name=name_of_message, payload=payload,
        ),
    ),
    24: ("broadcasted", dict(room=count, author=optional(user), name=name_of_message, payload=payload)),
    25: ("watermark", dict(room=count, seq=count)),
    26: ("left", dict(room=count, code=label, message=message)),
    32: ("access", dict(room=count, access=one_of("read", "write"), message=message)),
    27: ("error", dict(request=optional(count), code=label, message=message, retryAfter=count)),
    28: ("authed", dict(user=optional(user), expires=optional(count))),
    29: ("drain", dict(delay=count)),
    30: ("historyPage", dict(request=count, room=count, events=listing(message_row), more=boolean)),
    31: ("users", dict(room=count, users=listing(row(id=count, user=optional(user))))),
    **BOTH,
}


def _encoder(table: Mapping[int, tuple[str, dict[str, Kind]]]) -> Callable[..., bytes]:
    numbers = {name: number for number, (name, _) in table.items()}

    def encode(name: str, /, **fields: Any) -> bytes:
        number = numbers[name]
        packed: bytes = msgpack.packb([number, *(kind.encode(fields[field]) for field, kind in table[number][1].items())])
        return packed

    return encode


def _decoder(table: Mapping[int, tuple[str, dict[str, Kind]]]) -> Callable[[bytes], Frame]:
    def decode(data: bytes) -> Frame:
        try:
            array = msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=_no_extension, max_array_len=len(data))
        except ProtocolError:
            raise
        except Exception as error:  # whatever msgpack finds: its exceptions have no common base
            raise ProtocolError(f"no MessagePack: {error}") from error
        if not isinstance(array, list) or not array:
            raise ProtocolError("no array that begins with a type")
        number = _integer(array[0])
        if number not in table:
            _plain(array[1:], PAYLOAD_DEPTH + 1)
            return "unknown", {"number": number}
        name, fields = table[number]
        try:
            frame = {field: kind.decode(item) for (field, kind), item in zip(fields.items(), array[1:])}
        except ProtocolError as error:
            raise ProtocolError(f"{name}: {error}", error.code) from error
        if len(frame) < len(fields):
            raise ProtocolError(f"too few fields for {name}")
        # P2 holds for what this table does not know, too.
        _plain(array[1 + len(fields) :], PAYLOAD_DEPTH + 1)
        return name, frame

    return decode


def _no_extension(code: int, data: bytes) -> Any:
    raise ProtocolError("MessagePack extensions are not used (P2)")


def decode_client(data: bytes) -> Frame:
    try:
        return _decode_client(data)
    except ProtocolError:
        # P6: a version that is not spoken comes first, whatever else the HELLO holds.
        unpacker = msgpack.Unpacker()
        unpacker.feed(data)
        try:
            is_hello = unpacker.read_array_header() > 1 and unpacker.unpack() == 1
            spoken = unpacker.unpack() if is_hello else None
        except Exception:  # as above
            spoken = None
        if spoken is not None:
            version.decode(spoken)
        raise


encode_client, _decode_client = _encoder(CLIENT), _decoder(CLIENT)
encode_server, decode_server = _encoder(SERVER), _decoder(SERVER)
