"""Which version and features two ends agree on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from devkit_core.protocol import host_calls
from devkit_core.protocol.frames import FRAME_PAYLOAD, FrameError, Kind, encode
from devkit_core.protocol.messages import Hello

__all__ = ["FEATURES", "STREAM_WINDOW", "VERSION", "agree", "configure", "initialize", "welcome"]

VERSION = 1
#: what this host can do; what both name is used
FEATURES = frozenset({"chunk", "credit", "started", "memfd", "config", "configure", *host_calls.FEATURES})
#: bytes of a stream that a worker may send before it waits for credit
STREAM_WINDOW = 1 << 20


def agree(hello: Hello, *, asking: bool = False) -> frozenset[str]:
    """Return the features that both ends have; raises FrameError where the version is not ours.

    `asking` says that there is somebody who answers what the worker asks of its host.
    """
    if hello.protocol != VERSION:
        raise FrameError(f"protocol version {hello.protocol}; this host speaks {VERSION}")
    return FEATURES & hello.features - (frozenset() if asking else host_calls.FEATURES.keys())


def welcome(features: frozenset[str], payload_limit: int) -> bytes:
    """Return the host's answer to a hello; `payload_limit` bounds a whole input or result, in bytes."""
    body = {
        "protocol": VERSION,
        "features": sorted(features),
        "frame": FRAME_PAYLOAD,
        "payload": payload_limit,
        "window": STREAM_WINDOW,
        "calls": host_calls.CALLS,
    }
    return encode(Kind.WELCOME, payload=json.dumps(body, separators=(",", ":")).encode())


def initialize(config: Mapping[str, Any] | None = None) -> bytes:
    """Return the frame that asks a worker to run the plugin's initialize; it is answered as call 0.

    `config` holds the plugin's settings, for a worker with the feature `config`.
    """
    return encode(Kind.INITIALIZE, payload=_settings(config) if config is not None else b"")


def configure(config: Mapping[str, Any]) -> bytes:
    """Return the frame that gives a worker changed settings, all of them; it is answered as call 0."""
    return encode(Kind.CONFIGURE, payload=_settings(config))


def _settings(config: Mapping[str, Any]) -> bytes:
    return json.dumps({"config": config}, separators=(",", ":")).encode()
