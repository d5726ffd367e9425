"""Answers what a plugin in the host's own process asks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import threading
from concurrent.futures import Future
from time import monotonic
from typing import Any

from devkit_core.errors import DevKitError, ExecutionError, PayloadTooLarge
from devkit_core.protocol.frames import FrameError, Kind
from devkit_core.protocol.host_calls import FEATURES, TOLD, HostCall, HostRequests, Said
from devkit_core.protocol.messages import Result
from devkit_core.workers.host_calls import Pace, Services, tell
from devkit_core.workers.pending import PendingCall

__all__ = ["LocalCalls"]

_log = logging.getLogger("devkit.plugin")
_LONGEST = 8 * 1024  # characters of a message; a line of the log has no more
_KEYED = {"store.get": "key", "store.set": "key", "store.delete": "key", "store.keys": "prefix"}


class LocalCalls:
    """What a loader that runs code in this process offers that code of its host.

    It may be used from any thread, and everything is done in the event loop: nothing of
    the host's runs on the stack of the plugin's code. What a plugin tells is bounded as what a worker tells.
    `settings` are the plugin's as JSON, which the loader keeps up to date.
    """

    def __init__(
        self, plugin: str, services: Services | None, limit: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.settings = b"{}"
        self._plugin = plugin
        self._services = services
        self.limit = limit
        self._loop = loop
        self._pace = Pace()
        self._guard = threading.Lock()
        self._requests = HostRequests(frozenset(FEATURES), limit, self._take)

    # -- what needs no answer

    def log(self, level: str, message: str) -> None:
        """Write a line to the plugin's log. Raises ExecutionError `host-call-invalid`, as the next two do."""
        self._tell(Kind.LOG, {"level": level, "message": message[: _LONGEST + 1]})

    def event(self, name: str, data: bytes) -> None:
        """Tell of something that happened; `data` is a JSON object, or nothing."""
        if len(data) > TOLD:
            raise self._invalid(f"the event has {len(data):,} bytes; at most {TOLD:,}")
        try:
            body = json.loads(data) if data else {}
        except (ValueError, RecursionError) as error:
            raise self._invalid(f"the event's data is no JSON: {error}") from None
        self._tell(Kind.EVENT, {"name": name, "data": body})

    def progress(self, done: float, total: float | None, message: str) -> None:
        """Tell how far the call is."""
        self._tell(Kind.PROGRESS, {"done": done, "total": total, "message": message[: _LONGEST + 1]})

    def _tell(self, kind: int, body: dict[str, Any]) -> None:
        try:
            payload = json.dumps(body, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
            with self._guard:
                self._requests.frame(kind, 0, 0, payload)
        except (FrameError, ValueError, RecursionError) as error:
            raise self._invalid(str(error)) from None

    def _take(self, said: Said) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
            self._loop.call_soon_threadsafe(self._hand_on, said)

    def _hand_on(self, said: Any) -> None:
        if self._services is not None:
            tell(self._services, said)

    # -- what does

    def ask(self, what: str, data: bytes, during: PendingCall | None) -> Future[Result]:
        """Begin a call to the host, and return its answer to come; cancelling that ends the call.

        `what` is written as docs/how-to/call-the-host.md says; `during` is the call of the plugin's that
        it is made for. Raises ExecutionError for one that nobody could answer.
        """
        if what == "config":
            known: Future[Result] = Future()
            known.set_result(Result(self.settings, True))
            return known
        call = self._parsed(what, data)
        if self._services is None or self._loop.is_closed():
            raise ExecutionError("this host answers no calls", code="host-unavailable", plugin=self._plugin)
        return asyncio.run_coroutine_threadsafe(self._answer(self._services, call, during), self._loop)

    @property
    def here(self) -> bool:
        """Whether this thread is the one that answers, so that it can't wait for an answer."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def _answer(self, services: Services, call: HostCall, during: PendingCall | None) -> Result:
        if (pause := self._pace.pause()) > 0:
            await asyncio.sleep(pause)
        seconds = during.deadline - monotonic() if during is not None else math.inf
        parent = during.link if during is not None else None
        try:
            result = await services.perform(call, parent, True, seconds)
        except DevKitError:
            raise
        except Exception as error:  # a fault of ours: the plugin is told, and nobody else suffers
            _log.exception("answering %s of %s failed", call.name, self._plugin)
            raise ExecutionError(
                "the host failed to answer; its log says why", code="bug", plugin=self._plugin
            ) from error
        if len(result.data) > self.limit:
            raise PayloadTooLarge(
                f"the host's answer has {len(result.data):,} bytes; the limit is {self.limit:,}",
                plugin=self._plugin,
            )
        return result

    def _parsed(self, what: str, data: bytes) -> HostCall:
        """Return a call of its words; a key may have spaces, what names a function has none."""
        name, _, rest = what.partition(" ")
        text = True
        if name in _KEYED:
            arguments = {_KEYED[name]: rest}
        elif name == "plugin.call":
            plugin, _, function = rest.partition(" ")
            arguments = {"plugin": plugin, "function": function or "execute"}
            text = _is_text(data)
        elif name == "host.call":
            arguments, data = {"function": rest}, data or b"null"
        elif name == "host.bytes":
            name, arguments, text = "host.call", {"function": rest}, False
        else:
            raise ExecutionError(
                f"this host knows no call {name[:64]!r}", code="host-call-unknown", plugin=self._plugin
            )
        return HostCall(0, name, 0, arguments, data, text)

    def _invalid(self, why: str) -> ExecutionError:
        return ExecutionError(why, code="host-call-invalid", plugin=self._plugin)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
