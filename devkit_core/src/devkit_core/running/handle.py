"""PluginHandle: one loaded plugin as a host program calls it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from _thread import get_ident
from asyncio import get_running_loop
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from time import monotonic
from typing import Any, overload

from devkit_core.errors import DevKitError, PayloadTooLarge, UsageError
from devkit_core.loading.call import Call, Result
from devkit_core.model.limits import how_to_raise
from devkit_core.model.types import PluginInfo
from devkit_core.protocol.memory import LEAST
from devkit_core.running import functions
from devkit_core.running.feeding import Pieces, awake, collect, fed, gives_pieces, takes_pieces
from devkit_core.running.mapping import IN_FLIGHT, Outcome, map_calls
from devkit_core.running.supervisor import Supervisor
from devkit_core.running.wrapping import Wrapper, compose
from devkit_core.workers.feeding import FedCall
from devkit_core.workers.host_calls import Link
from devkit_core.workers.pending import PendingCall, PlainCall, StreamingCall, TextCall
from devkit_core.workers.wakeups import Wakeups

__all__ = ["PluginHandle"]


class PluginHandle:
    """A loaded plugin; stays valid through restarts and reloads, and fails its calls once unloaded.

    `loop` is the manager's event loop, in which all calls have to be made.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        info: Callable[[], PluginInfo],
        wrappers: Sequence[Wrapper],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._supervisor = supervisor
        self._info = info
        self._loop = loop
        self._wakeups = Wakeups(loop)
        self._thread = 0  # where the loop was seen to run; asking for the loop itself asks the kernel
        self._wrapped = compose(wrappers, self._perform) if wrappers else None

    @property
    def id(self) -> str:
        """The plugin's id."""
        return self._supervisor.id

    @property
    def info(self) -> PluginInfo:
        """What a listing shows of it now."""
        return self._info()

    @property
    def name(self) -> str:
        """The name its manifest gives."""
        return self._info().name

    @property
    def version(self) -> str:
        """The version that is loaded."""
        return self._info().version

    @property
    def pid(self) -> int | None:
        """The process id of its worker, None where it has none now."""
        return self._supervisor.pid

    @property
    def supervisor(self) -> Supervisor:
        """What keeps the plugin running; for those who make calls without this handle's event loop."""
        return self._supervisor

    @property
    def payload_limit(self) -> int:
        """Bytes that an input may have; a reload may change it."""
        return self._supervisor.payload_limit

    @property
    def takes_pieces(self) -> bool:
        """Whether `execute` reads an input in pieces, as it comes."""
        return self._wrapped is None and takes_pieces(self._supervisor)

    @property
    def has_middleware(self) -> bool:
        """Whether calls have to go through extensions' middleware, in the event loop."""
        return self._wrapped is not None

    async def ready(self, size: int = 0) -> None:
        """Wait until the plugin takes a further call, with an input of so many bytes, without Overloaded.

        It holds for the call that is made next, before anything else is awaited.
        """
        await self._supervisor.share.room(size)

    async def execute(self, input: str | bytes | Pieces = "", timeout: float | None = None) -> str | bytes:
        """Run the plugin's `execute` and return what it returned, text as `str`, anything else as `bytes`.

        An iterator is an input in pieces, as for `stream`; a generator's items come joined. `timeout` is in
        seconds; without one the manifest's stands, or else `execution_timeout`. Raises ExecutionError:
        PluginRaised, CallTimeout, WorkerCrashed, ….
        """
        if type(input) is str:
            if len(input) >= LEAST and input.isascii() and self._supervisor.pid is not None:
                return await self._execute_long(input, timeout)
            try:
                data, text = input.encode(), True
            except UnicodeEncodeError:
                raise self._no_text() from None
        else:
            if gives_pieces(input):
                hint = "`stream` gives it item by item"
                return await collect(self.stream(input, timeout), self.payload_limit, "the result", hint)
            data, text = self.encode(input)
        if len(data) > self._supervisor.payload_limit:
            raise self._too_large(len(data))
        if get_ident() != self._thread and not self._here():
            raise self._elsewhere()
        if self._wrapped is not None:
            return (await self._wrapped(Call(self.id, "execute", data, text, timeout))).value
        supervisor = self._supervisor
        told = timeout is not None
        timeout = supervisor.timeout if timeout is None else self._seconds(timeout)
        if (attempt := supervisor.attempt) is not None:
            began = monotonic()
            try:
                answer = attempt(0, data, text, timeout)
            except DevKitError as error:
                supervisor.tally.failed(began, len(data), error.code)
                raise
            if answer is not None:
                supervisor.tally.answered(began, len(data), len(answer.data))
                return answer.value
        call = PlainCall(supervisor.id, 0, data, text, timeout, self._wakeups, supervisor.tally)
        if told:
            call.told = True
        supervisor.submit(call)
        try:
            return await call
        except RuntimeError:
            if call.ended:
                raise
            call.cancel()  # another loop in the manager's thread
            raise self._elsewhere() from None

    async def _execute_long(self, input: str, timeout: float | None) -> str | bytes:
        """Do what `execute` does, for a text in ASCII that is worth not being encoded and copied."""
        supervisor = self._supervisor
        if len(input) > supervisor.payload_limit:
            raise self._too_large(len(input))
        if not self._here():
            raise self._elsewhere()
        if self._wrapped is not None:
            return (await self._wrapped(Call(self.id, "execute", input.encode(), True, timeout))).value
        seconds = supervisor.timeout if timeout is None else self._seconds(timeout)
        call = TextCall(supervisor.id, 0, input, seconds, self._wakeups, supervisor.tally)
        call.told = timeout is not None
        supervisor.submit(call)
        return await call

    @overload
    async def call(
        self, function: str, input: str | bytes = "", timeout: float | None = None
    ) -> str | bytes: ...
    @overload
    async def call(self, function: str, input: object, timeout: float | None = None) -> Any: ...
    async def call(self, function: str, input: object = "", timeout: float | None = None) -> Any:
        """Run one of the functions that the manifest's `[functions]` names, checked by its schemas both ways.

        A value goes as JSON, and the answer comes back as a value. `str` and `bytes` are JSON text already,
        and the answer stays text; `invoke` takes a `str` as a value. Raises SchemaMismatch, for an input
        before anything is sent, and what `execute` raises.
        """
        if isinstance(input, (str, bytes, bytearray, memoryview)):
            data, text = self.encode(input)
            return (await self._checked(function, data, text, timeout))[0].value
        return await self.invoke(function, input, timeout)

    async def invoke(self, function: str, input: Any = None, timeout: float | None = None) -> Any:
        """Run a function as `call` does, with any JSON value, and return the value that it returned.

        `execute` takes values only where `[functions.execute]` has a schema: elsewhere it is for text.
        """
        if not self.takes_json(function):
            raise UsageError(
                f"`execute` takes text, not {type(input).__name__}",
                plugin=self.id,
                hint="write `execute(text)`; values are for functions that the manifest describes",
            )
        data = functions.encode(self.id, function, input)
        if len(data) > self._supervisor.payload_limit:
            raise self._too_large(len(data))
        result, value = await self._checked(function, data, True, timeout)
        return functions.decode(self.id, function, result.data) if value is functions.UNREAD else value

    def takes_json(self, function: str) -> bool:
        """Say whether a function takes values: all do but an `execute` that has no schema."""
        known = self._contracts()
        return function != "execute" or (known is not None and known.describes(function))

    async def relay(self, function: str, data: bytes, text: bool, timeout: float, link: Link) -> Result:
        """Run a function as `call` does, for another plugin that asked for it."""
        if len(data) > self.payload_limit:
            raise self._too_large(len(data))
        return (await self._checked(function, data, text, timeout, link))[0]

    async def _checked(
        self, function: str, data: bytes, text: bool, timeout: float | None, link: Link | None = None
    ) -> tuple[Result, Any]:
        """Return a function's answer, and its value where checking it took reading it."""
        request = Call(self.id, function, data, text, timeout, link)
        if get_running_loop() is not self._loop:
            raise self._elsewhere()
        known = self._contracts()
        if known is None:
            return await (self._wrapped or self._perform)(request), functions.UNREAD
        known.check_input(function, data)
        result = await (self._wrapped or self._perform)(request)
        return result, known.check_output(function, result.data)

    def _contracts(self) -> functions.Functions | None:
        blueprint = self._supervisor.blueprint
        return blueprint.functions if blueprint is not None else None

    async def stream(
        self, input: str | bytes | Pieces = "", timeout: float | None = None
    ) -> AsyncIterator[str | bytes]:
        """Run `execute` and yield its items as they come; a plugin that returns one answer yields that.

        The plugin is held up while items are not taken. Leaving the loop early cancels the call. Where a
        `devkit_call` middleware is installed it sees the whole answer, which then is the one item.

        An iterator, of either kind, is an input in pieces: a plugin that takes such reads each as it comes,
        and holds the iterator up while it is behind. Others get all pieces as one input.
        """
        if get_running_loop() is not self._loop:
            raise self._elsewhere()
        if gives_pieces(input):
            await awake(self._supervisor)
            if self.takes_pieces:
                left = self.seconds(timeout)
                fed_call = FedCall(self.id, 0, b"", True, left, self._loop, self._supervisor.tally)
                submit = self._supervisor.submit
                async with contextlib.aclosing(fed(fed_call, input, self.encode, submit)) as items:
                    async for each in items:
                        yield each
                return
            hint = "a plugin takes more in pieces where `execute` is annotated so: Iterator[str]"
            input = await collect(input, self.payload_limit, "the input", hint)
        data, text = self.encode(input)
        if self._wrapped is not None:
            yield (await self._wrapped(Call(self.id, "execute", data, text, timeout))).value
            return
        seconds = self._supervisor.timeout if timeout is None else self._seconds(timeout)
        call = StreamingCall(self.id, 0, data, text, seconds, self._loop, self._supervisor.tally)
        call.told = timeout is not None
        self._supervisor.submit(call)
        try:
            while (item := await call.next()) is not None:
                yield item.value
        finally:
            if not call.done():
                call.cancel()
            elif not call.cancelled():
                call.exception()

    def map(
        self,
        inputs: Iterable[str | bytes] | AsyncIterable[str | bytes],
        *,
        ordered: bool = True,
        timeout: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> AsyncGenerator[Outcome, None]:
        """Run `execute` on every input and yield an Outcome for each, in order or as they come.

        Inputs are pulled one by one: at most `in_flight` are unanswered or not taken yet. An error is that
        input's outcome; `Outcome.result()` raises it. `timeout` counts, in seconds, from when a call is the
        oldest in flight. Leaving the loop early and closing the iterator cancels what is in flight.
        """
        given = None if timeout is None else self._seconds(timeout)

        def seconds() -> float:
            return self._supervisor.timeout if given is None else given

        def begin(input: str | bytes) -> tuple[int, PendingCall | asyncio.Future[Result]]:
            data, text = self.encode(input)
            if get_running_loop() is not self._loop:
                raise self._elsewhere()
            if self._wrapped is not None:
                request = Call(self.id, "execute", data, text, timeout)
                return len(data), asyncio.ensure_future(self._wrapped(request))
            supervisor = self._supervisor
            # what runs in this process reads its time limit when it begins
            limit = seconds() if supervisor.pid is None else None
            call = PendingCall(self.id, 0, data, text, limit, self._loop, supervisor.tally)
            supervisor.submit(call)
            return len(data), call

        return map_calls(
            begin, inputs, seconds, ordered=ordered, in_flight=in_flight, share=self._supervisor.share
        )

    async def _perform(self, request: Call) -> Result:
        supervisor = self._supervisor
        seconds = supervisor.timeout if request.timeout is None else self._seconds(request.timeout)
        number = supervisor.number(request.function)
        call = PendingCall(self.id, number, request.data, request.text, seconds, self._loop, supervisor.tally)
        call.link = request.link
        call.trace = request.trace
        call.told = request.timeout is not None or bool(request.trace)
        supervisor.submit(call)
        return await call

    def encode(self, input: Any) -> tuple[bytes, bool]:
        """Return an input's bytes and whether they are text; raises UsageError or PayloadTooLarge."""
        if isinstance(input, str):
            try:
                data, text = input.encode(), True
            except UnicodeEncodeError:
                raise self._no_text() from None
        elif isinstance(input, (bytes, bytearray, memoryview)):
            data, text = bytes(input), False
        else:
            raise UsageError(
                f"the input is {type(input).__name__}, not str or bytes",
                plugin=self.id,
                hint="pass text, as json.dumps(value)",
            )
        if len(data) > self._supervisor.payload_limit:
            raise self._too_large(len(data))
        return data, text

    def seconds(self, timeout: float | None) -> float:
        """Return a call's time limit, the plugin's own where none is given; raises UsageError."""
        return self._supervisor.timeout if timeout is None else self._seconds(timeout)

    def _seconds(self, timeout: Any) -> float:
        """Return a time limit as it was given; raises UsageError where it is none."""
        if isinstance(timeout, (int, float)) and 0 < timeout < math.inf:
            return timeout
        raise UsageError(f"the timeout is {timeout!r}, not a number of seconds above 0", plugin=self.id)

    def _here(self) -> bool:
        """Say whether this is the manager's event loop, and remember its thread."""
        if get_running_loop() is not self._loop:
            return False
        self._thread = get_ident()
        return True

    def _elsewhere(self) -> UsageError:
        return UsageError(
            f"`{self.id}` is called from another event loop than its manager's",
            code="wrong-event-loop",
            plugin=self.id,
            hint="call it where the manager runs, or use devkit_core.blocking, which any thread may",
        )

    def _no_text(self) -> UsageError:
        return UsageError("the input can't be written as UTF-8 (a lone surrogate)", plugin=self.id)

    def _too_large(self, size: int) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the input has {size:,} bytes; the limit is {self.payload_limit:,}",
            plugin=self.id,
            hint=how_to_raise("payload_mb", self.id),
        )

    def __repr__(self) -> str:
        return f"<PluginHandle {self.id} {self._supervisor.status}>"
