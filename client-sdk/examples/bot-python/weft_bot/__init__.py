"""A client of the Weft protocol in Python: msgpack, websockets, and pycrdt for the document."""

from .bot import Bot
from .codec import ProtocolError
from .types import Event, Other, Page, Refused

__all__ = ["Bot", "Event", "Other", "Page", "ProtocolError", "Refused"]
