"""Yjs state vectors, v1: varuint count, then per client varuint id, varuint clock."""


def clocks_of(state: bytes) -> dict[int, int]:
    """How far a state reaches, by client."""
    numbers: list[int] = []
    value = shift = 0
    for byte in state:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2]))


def lacks(state: bytes, other: bytes, but: int) -> bool:
    """Whether a state lacks something that another one has of any client but one."""
    known = clocks_of(state)
    return any(clock > known.get(client, 0) for client, clock in clocks_of(other).items() if client != but)
