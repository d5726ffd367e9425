"""Writes the test vectors of the worker protocol, by the layout in its reference."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "sdk" / "vectors" / "frames.json"

KINDS = {
    "HELLO": 1, "WELCOME": 2, "INITIALIZE": 3, "CALL": 4, "RESULT": 5, "ERROR": 6, "CANCEL": 7, "PING": 8,
    "PONG": 9, "SHUTDOWN": 10, "CHUNK": 11, "CREDIT": 12, "STARTED": 13, "CONFIGURE": 14,
    "HOST_CALL": 15, "HOST_RESULT": 16, "HOST_ERROR": 17, "HOST_CANCEL": 18, "LOG": 19, "EVENT": 20,
    "PROGRESS": 21, "INPUT": 22,
}  # fmt: skip
TEXT, END, META, ITEM, STREAM = 1, 2, 4, 8, 16


def head(text: bytes) -> bytes:
    """Return what a call to the host begins with."""
    return struct.pack(">H", len(text)) + text


FRAMES = [
    ("an empty INITIALIZE", "INITIALIZE", 0, 0, 0, b""),
    ("an INITIALIZE with settings", "INITIALIZE", 0, 0, 0, b'{"config":{"indent":2}}'),
    ("a CONFIGURE", "CONFIGURE", 0, 0, 0, b'{"config":{"indent":4}}'),
    ("a CALL with text", "CALL", TEXT | END, 0, 1, b"hello"),
    ("a CALL with text beyond ASCII", "CALL", TEXT | END, 0, 2, "żółw 🐢\0".encode()),
    ("a CALL with bytes", "CALL", END, 0, 3, bytes(range(256))),
    ("a CALL of function 7", "CALL", TEXT | END, 7, 4, b"{}"),
    ("an empty CALL with the largest id", "CALL", TEXT | END, 65535, 0xFFFFFFFF, b""),
    ("the first part of a CALL", "CALL", TEXT, 0, 5, b"first "),
    ("its last part", "CHUNK", TEXT | END, 0, 5, b"last"),
    ("a RESULT", "RESULT", TEXT | END, 0, 1, b"world"),
    ("a stream's first item", "RESULT", TEXT | ITEM | STREAM, 0, 6, b"one"),
    ("a stream's second item", "CHUNK", TEXT | ITEM, 0, 6, b"two"),
    ("a stream's end", "CHUNK", TEXT | END, 0, 6, b""),
    ("a stream without items", "RESULT", STREAM | END, 0, 7, b""),
    ("CREDIT of 65536 bytes", "CREDIT", 0, 0, 6, struct.pack(">I", 65536)),
    ("CANCEL", "CANCEL", 0, 0, 6, b""),
    ("PING", "PING", 0, 0, 0, b"\x01\x02"),
    ("STARTED up to 9", "STARTED", 0, 0, 9, b""),
    ("SHUTDOWN", "SHUTDOWN", 0, 0, 0, b""),
    ("a call to the host", "HOST_CALL", TEXT | END, 0, 1, head(b'{"name":"store.get","for":6,"key":"seen"}')),
    ("a call with data", "HOST_CALL", TEXT | END, 0, 2, head(b'{"name":"store.set","key":"a"}') + b"[1]"),
    ("the first part of a call to the host", "HOST_CALL", TEXT, 0, 3,
     head(b'{"name":"plugin.call","for":6,"plugin":"other","function":"execute"}') + b"first "),
    ("its last part", "HOST_CALL", TEXT | END, 0, 3, b"last"),
    ("the host's answer", "HOST_RESULT", TEXT | END, 0, 2, b""),
    ("the first part of an answer in bytes", "HOST_RESULT", 0, 0, 3, b"\0\x01"),
    ("its last part", "HOST_RESULT", END, 0, 3, b"\x02"),
    ("a refusal", "HOST_ERROR", 0, 0, 1, b'{"code":"permission-denied","message":"no","hint":"ask for it"}'),
    ("HOST_CANCEL", "HOST_CANCEL", 0, 0, 1, b""),
    ("a line for the log", "LOG", 0, 0, 6, b'{"level":"warning","message":"slow","fields":{"seconds":2.5}}'),
    ("an event", "EVENT", 0, 0, 6, b'{"name":"indexed","data":{"files":12}}'),
    ("progress", "PROGRESS", 0, 0, 6, b'{"done":3,"total":12,"message":"reading"}'),
    ("a CALL whose input follows in pieces", "CALL", TEXT | END, 3, 9, b""),
    ("the first part of a piece", "INPUT", TEXT, 0, 9, b"first "),
    ("its last part", "INPUT", TEXT | ITEM, 0, 9, b"last"),
    ("an empty piece", "INPUT", TEXT | ITEM, 0, 9, b""),
    ("the end of an input", "INPUT", END, 0, 9, b""),
    ("CREDIT for a piece of 10 bytes", "CREDIT", 0, 0, 9, struct.pack(">I", 10 + 256)),
    ("progress without a total", "PROGRESS", 0, 0, 6, b'{"done":3,"total":null,"message":""}'),
]  # fmt: skip


def frame(kind: int, flags: int, function: int, call: int, payload: bytes) -> bytes:
    return struct.pack(">IBBHI", 8 + len(payload), kind, flags, function, call) + payload


def vectors() -> dict[str, object]:
    meta = struct.pack(">HI", 4, 1500)
    traced = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    longer = struct.pack(">HI", 4 + len(traced), 0xFFFFFFFF) + traced
    frames = [
        {
            "name": name,
            "bytes": frame(KINDS[kind], flags, function, call, payload).hex(),
            "kind": kind,
            "flags": flags,
            "function": function,
            "call": call,
            "payload": payload.hex(),
        }
        for name, kind, flags, function, call, payload in FRAMES
    ]
    frames.append(
        {
            "name": "a CALL with metadata, which is not part of the payload",
            "bytes": frame(4, TEXT | END | META, 0, 8, meta + b"hi").hex(),
            "kind": "CALL",
            "flags": TEXT | END | META,
            "function": 0,
            "call": 8,
            "payload": b"hi".hex(),
            "milliseconds left": 1500,
            "trace": "",
        }
    )
    frames.append(
        {
            "name": "a CALL with a trace context and no limit of its time",
            "bytes": frame(4, TEXT | END | META, 0, 9, longer + b"hi").hex(),
            "kind": "CALL",
            "flags": TEXT | END | META,
            "function": 0,
            "call": 9,
            "payload": b"hi".hex(),
            "milliseconds left": None,
            "trace": traced.decode(),
        }
    )
    violations = [
        {"name": "a length under 8", "bytes": struct.pack(">IBBHI", 7, 5, 3, 0, 1).hex()},
        {"name": "a length of 4 GiB", "bytes": struct.pack(">IBBHI", 0xFFFFFFFF, 5, 3, 0, 1).hex()},
        {
            "name": "a length one over the bound",
            "bytes": struct.pack(">IBBHI", 8 + (1 << 20) + 1, 5, 3, 0, 1).hex(),
        },
        {"name": "a RESULT for a call that is not in flight", "bytes": frame(5, 3, 0, 99, b"x").hex()},
        {"name": "a CHUNK for a call that is not in flight", "bytes": frame(11, 3, 0, 99, b"x").hex()},
        {"name": "an ERROR for a call that is not in flight", "bytes": frame(6, 0, 0, 99, b"{}").hex()},
        {"name": "a CHUNK without its RESULT", "bytes": frame(11, 3, 0, 1, b"x").hex()},
        {"name": "metadata longer than its frame", "bytes": frame(5, 7, 0, 1, b"\xff\xff").hex()},
        {"name": "an ERROR that is not JSON", "bytes": frame(6, 0, 0, 1, b"nonsense").hex()},
        {"name": "an ERROR whose JSON is no object", "bytes": frame(6, 0, 0, 1, b"[]").hex()},
        {"name": "an unknown kind below 128", "bytes": frame(99, 0, 0, 1, b"").hex()},
        {
            "name": "a call to the host that wasn't agreed",
            "bytes": frame(15, 3, 0, 7, head(b'{"name":"a"}')).hex(),
        },
        {"name": "a line for the log that wasn't agreed", "bytes": frame(19, 0, 0, 1, b"{}").hex()},
    ]
    named = head(b'{"name":"store.get","key":"a"}')
    asking = [
        {"name": "a call to the host with id 0", "bytes": frame(15, 3, 0, 0, named).hex()},
        {"name": "an id that is in use", "bytes": (frame(15, 3, 0, 7, named) * 2).hex()},
        {
            "name": "65 calls at once",
            "bytes": b"".join(frame(15, 3, 0, number, named) for number in range(1, 66)).hex(),
        },
        {"name": "a call without its head", "bytes": frame(15, 3, 0, 7, b"").hex()},
        {"name": "a head longer than its frame", "bytes": frame(15, 3, 0, 7, b"\xff\xff{}").hex()},
        {"name": "a head that is no JSON", "bytes": frame(15, 3, 0, 7, head(b"nonsense")).hex()},
        {"name": "a head whose JSON is no object", "bytes": frame(15, 3, 0, 7, head(b"[]")).hex()},
        {"name": "a call without a name", "bytes": frame(15, 3, 0, 7, head(b"{}")).hex()},
        {"name": "a name that is none", "bytes": frame(15, 3, 0, 7, head(b'{"name":"A b"}')).hex()},
        {"name": "a call for no number", "bytes": frame(15, 3, 0, 7, head(b'{"name":"a","for":-1}')).hex()},
        {
            "name": "a line of an unknown level",
            "bytes": frame(19, 0, 0, 0, b'{"level":"x","message":""}').hex(),
        },
        {"name": "a line without a message", "bytes": frame(19, 0, 0, 0, b'{"level":"info"}').hex()},
        {"name": "a line over 65,536 bytes", "bytes": frame(19, 0, 0, 0, b" " * 65537).hex()},
        {"name": "an event without a name", "bytes": frame(20, 0, 0, 0, b'{"data":{}}').hex()},
        {
            "name": "an event whose data is no object",
            "bytes": frame(20, 0, 0, 0, b'{"name":"a","data":1}').hex(),
        },
        {"name": "progress below 0", "bytes": frame(21, 0, 0, 0, b'{"done":-1}').hex()},
        {"name": "progress that is no number", "bytes": frame(21, 0, 0, 0, b'{"done":NaN}').hex()},
        {"name": "a credit that isn't four bytes", "bytes": frame(12, 0, 0, 1, b"\0\0\1").hex()},
        {"name": "a piece of an input, which only hosts send", "bytes": frame(22, 8, 0, 1, b"").hex()},
        {"name": "an answer of the host's kind", "bytes": frame(16, 3, 0, 7, b"").hex()},
    ]
    skipped = [{"name": "an unknown kind from 128 on", "bytes": frame(200, 0, 0, 1, b"whatever").hex()}]
    return {
        "protocol": 1,
        "frames": frames,
        "violations from a worker, with call 1 in flight": violations,
        "violations from a worker that may ask its host": asking,
        "skipped by both ends": skipped,
    }


def main() -> int:
    text = json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"
    if "--check" in sys.argv:
        return 0 if TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
