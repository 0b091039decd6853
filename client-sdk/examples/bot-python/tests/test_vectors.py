"""The shared vectors, both ways: protocol/vectors/*.json."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

from weft_bot.awareness import Entry, read_awareness, write_awareness
from weft_bot.codec import (
    CLIENT, SERVER, ProtocolError, decode_client, decode_server, encode_client, encode_server,
)

VECTORS = Path(__file__).parents[4] / "protocol" / "vectors"
DIRECTIONS = {
    "client": (CLIENT, decode_client, encode_client),
    "server": (SERVER, decode_server, encode_server),
}


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


def value(of: Any) -> Any:
    """What the JSON of a vector means: `{"hex": ...}` is bytes."""
    if isinstance(of, dict) and "hex" in of:
        return bytes.fromhex(of["hex"]) * of.get("times", 1)
    if isinstance(of, dict):
        return {key: value(item) for key, item in of.items()}
    return [value(item) for item in of] if isinstance(of, list) else of


def fields_of(vector: dict[str, Any]) -> dict[str, Any]:
    fields = {key: value(item) for key, item in vector["frame"].items() if key != "type"}
    if "payload" in fields:
        fields["payload"] = value(vector["value"])
    for row, payload in zip(fields.get("events", ()), vector.get("values", ())):
        row["payload"] = value(payload)
    return fields


class Frames(unittest.TestCase):
    def test_decode(self) -> None:
        for sender, (_, decode, _) in DIRECTIONS.items():
            for vector in read(f"{sender}-frames.json"):
                with self.subTest(vector["name"]):
                    name, fields = decode(bytes.fromhex(vector["hex"]))
                    self.assertEqual(name, vector["frame"]["type"])
                    self.assertEqual(fields, fields_of(vector))

    def test_encode(self) -> None:
        for sender, (_, _, encode) in DIRECTIONS.items():
            for vector in read(f"{sender}-frames.json"):
                if vector["canonical"]:
                    with self.subTest(vector["name"]):
                        self.assertEqual(encode(vector["frame"]["type"], **fields_of(vector)).hex(), vector["hex"])

    def test_the_table_has_every_frame_of_the_vectors(self) -> None:
        for sender, (table, _, _) in DIRECTIONS.items():
            vectors = read(f"{sender}-frames.json")
            known = {vector["number"]: vector["frame"]["type"] for vector in vectors if vector["frame"]["type"] != "unknown"}
            self.assertLessEqual(known.items(), {number: name for number, (name, _) in table.items()}.items())

    def test_refused(self) -> None:
        for vector in read("invalid-frames.json"):
            for sender, (_, decode, _) in DIRECTIONS.items():
                if vector["sender"] in (sender, "both"):
                    with self.subTest(vector["name"], sender=sender):
                        with self.assertRaises(ProtocolError) as refusal:
                            decode(bytes.fromhex(vector["hex"]))
                        self.assertEqual(refusal.exception.code, vector["code"])


class AwarenessUpdates(unittest.TestCase):
    def test_both_ways(self) -> None:
        for vector in read("awareness.json")["valid"]:
            with self.subTest(vector["name"]):
                entries = [Entry(entry["clientId"], entry["clock"], entry["state"]) for entry in vector["entries"]]
                self.assertEqual(read_awareness(bytes.fromhex(vector["hex"])), entries)
                self.assertEqual(write_awareness(entries).hex(), vector["hex"])


if __name__ == "__main__":
    unittest.main()
