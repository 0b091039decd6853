"""A client of the Weft protocol in Python: msgpack, websockets, and pycrdt for the document."""

from .bot import Bot, Event, Refused
from .codec import ProtocolError

__all__ = ["Bot", "Event", "ProtocolError", "Refused"]
