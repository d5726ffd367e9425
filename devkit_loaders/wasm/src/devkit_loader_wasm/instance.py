"""One loaded WebAssembly plugin: its calls, its deadlines, its life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic, thread_time
from typing import Any

from devkit_core.api import (
    CallQueue,
    CallTimeout,
    ConfigError,
    DevKitError,
    InitializeFailed,
    Instance,
    LoadRequest,
    PendingCall,
    PluginRaised,
    Result,
    WorkerCrashed,
)
from devkit_loader_wasm.engine import Ticker
from devkit_loader_wasm.guests import Guest, Steps
from devkit_loader_wasm.jobs import Job, as_json, is_text, settle, through
from devkit_loader_wasm.lane import Lane
from devkit_loader_wasm.program import Program
from devkit_loader_wasm.stopping import error_of

__all__ = ["WasmInstance"]

_new = tuple.__new__

_SHORT = 200e-6  # seconds; a call that is usually shorter runs in the event loop's thread
_INLINE_BYTES = 64 * 1024  # input that is copied in the event loop's thread
_PROOFS = 8  # short calls in a row before one runs there; doubles when they weren't, halves when they were
_MOST_PROOFS = 1024
_TURN = 200e-6  # seconds of calls after which the event loop gets its turn
_GRACE = 0.5  # seconds in which code that was told to stop has to


class WasmInstance(Instance):
    """Runs one call at a time, in order; others wait.

    A call runs on the lane's thread. Once calls were short several times in a row, the next runs at once
    in the event loop's thread: it gets two ticks there, and goes on on the lane if that isn't enough.
    After a trap, an exit or a timeout the guest is replaced by a fresh one: its state is lost.
    """

    def __init__(self, program: Program, ticker: Ticker, request: LoadRequest) -> None:
        self.functions = {name: number for number, name in enumerate(program.functions)}
        self.takes_config = program.takes_config
        self._config = as_json(request.config) if request.config is not None else None
        self._program = program
        self._ticker = ticker
        self._plugin = request.id
        self._deadlines = request.deadlines
        self._output = program.output
        self._loop = asyncio.get_running_loop()
        self.attempt = self._attempt
        self._guest: Guest | None = None
        self._begun: Steps[bytes] | None = None  # by an attempt, for the call that is submitted next
        self._job: Job | None = None
        self._before: Job | None = None  # what comes before the calls that wait
        self._queue = CallQueue(request.share)
        # the first call runs at once: that it isn't short costs the event loop one slice of time
        self._short = _PROOFS if program.short else 0
        self._proofs = _PROOFS
        self._turn = 0.0
        self._slow = 0
        self._initialized = False
        self._closed = False
        self._lane = self._new_lane()

    def _new_lane(self) -> Lane[Job]:
        return Lane(f"devkit-wasm-{self._plugin}", self._work, self._done, self._loop)

    # -- calls

    @property
    def in_flight(self) -> int:
        return len(self._queue) + (self._job is not None)

    def submit(self, call: PendingCall) -> None:
        turn, steps = self._turn >= _TURN, self._begun
        if turn:
            self._turn, self._slow = 0.0, 0
            self._proofs = max(_PROOFS, self._proofs // 2)
        if steps is None:
            try:
                result = self._attempt(call.function, call.data, call.text)
            except DevKitError as error:
                call.set_exception(error)
                return
            if result is not None:
                if turn:  # a caller that never waits would otherwise keep every other task from running
                    self._loop.call_soon(settle, call, result)
                else:
                    call.set_result(result)
                return
            steps = self._begun
        if self._closed:
            call.set_exception(self._stopped())
            return
        call.abandon = self._abandoned
        self._deadlines.watch(self)
        if steps is None:
            self._queue.add(call)
            self._next()
        else:
            self._begun, guest = None, self._guest
            assert guest is not None
            self._start(Job(self._begin_of(call), call, steps=steps, guest=guest, halt=guest.halt))

    def _attempt(self, function: int, data: bytes, text: bool, seconds: float = 0.0) -> Result | None:
        """Answer a call here where calls are short; what it began and didn't end is kept for `submit`."""
        guest = self._guest
        if (
            self._short < self._proofs
            or self._turn >= _TURN
            or guest is None
            or self._job is not None
            or len(data) > _INLINE_BYTES
        ):
            return None
        self._ticker.touch()
        began = monotonic()
        try:
            answer = guest.attempt(function, data)
        except Exception as error:  # noqa: BLE001 - it is the call that fails
            if not isinstance(error, DevKitError):
                self._discard()
            raise error_of(error, self._plugin) from None
        if not isinstance(answer, bytes):
            self._begun = answer
            self._distrust()
            return None
        spent = monotonic() - began
        if spent > _SHORT:
            self._slow += 1  # or the machine was busy: one in a turn says little
            if self._slow > 1:
                self._distrust()
        self._turn += spent
        return _new(Result, (answer, text and (answer.isascii() or is_text(answer))))

    def _distrust(self) -> None:
        """Run calls on the lane again, until more of them in a row were short."""
        self._short = self._slow = 0
        self._proofs = min(2 * self._proofs, _MOST_PROOFS)

    def _begin_of(self, call: PendingCall) -> Callable[[Guest], Steps[bytes]]:
        return lambda guest: guest.execute(call.function, call.data)

    def _next(self) -> None:
        if self._job is None and self._before is not None:
            job, self._before = self._before, None
            self._start(job)
        while self._job is None and self._queue:
            call = self._queue.take()
            if not call.done():
                self._start(Job(self._begin_of(call), call))

    def _start(self, job: Job) -> None:
        self._job = job
        if job.guest is None and self._guest is not None:
            job.guest, job.halt = self._guest, self._guest.halt
        if job.instant and self._finished(job):
            return
        self._ticker.hold()
        self._lane.give(job)

    def _finished(self, job: Job) -> bool:
        """Make the guest and do a first slice of a job here; say whether that was all."""
        self._ticker.touch()
        error: Exception | None = None
        try:
            job.guest = self._program.guest(job.halt)
            job.steps = job.begin(job.guest)
            next(job.steps)
        except StopIteration:
            pass
        except Exception as raised:  # noqa: BLE001 - handed on
            error = raised
        else:
            return False
        self._done(job, None, error)
        return True

    def _work(self, job: Job) -> object:
        """Do a job to its end; on the lane's thread."""
        began = thread_time()
        try:
            guest, job.halt.during = job.guest, job.call
            if guest is None:
                job.guest = guest = self._program.guest(job.halt)
                if self._initialized:
                    through(guest.initialize(self._config), job.halt)
            return through(job.steps if job.steps is not None else job.begin(guest), job.halt)
        finally:
            job.spent = thread_time() - began
            self._ticker.release()

    def _done(self, job: Job, result: Any, error: BaseException | None) -> None:
        """Settle what the lane has done; in the event loop's thread."""
        spoilt = error is not None and not isinstance(error, DevKitError)
        if job is not self._job:  # it was left behind
            if job.guest is not None:
                job.guest.close()
            return
        self._job = None
        self._guest = job.guest
        if job.config is not None and error is None and not job.halt.is_set():
            self._config = job.config
        if spoilt or job.halt.is_set() or not self._keeps_guests:
            self._discard()
        call = job.call
        if call is not None:
            call.abandon = None
            self._short = self._short + 1 if self._program.short and job.spent < _SHORT else 0
            if not call.done():
                if error is None:
                    call.set_result(Result(result, call.text and is_text(result)))
                else:
                    call.set_exception(error_of(error, self._plugin))
        elif job.answer is not None and not job.answer.done():
            if error is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(error_of(error, self._plugin))
        if self._closed:
            self._discard()
        else:
            self._next()

    @property
    def _keeps_guests(self) -> bool:
        return self._program.form != "command"

    def _discard(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.close()

    # -- deadlines

    def sweep(self, now: float) -> bool:
        """Fail what is overdue, and leave a thread behind that doesn't stop; called by the deadlines."""
        for call in self._queue.overdue(now):
            call.set_exception(self._late())
        job = self._job
        if job is not None:
            if job.call is not None and not job.call.done() and job.call.deadline <= now:
                job.call.abandon = None
                job.call.set_exception(self._late())
                self._halt(job)
            if job.told and now - job.told > _GRACE:
                self._leave(job)
        return self._job is not None or bool(self._queue)

    def _late(self) -> CallTimeout:
        return CallTimeout(
            f"`{self._plugin}` gave no answer in time",
            plugin=self._plugin,
            hint="raise timeout=, --timeout, or execution_timeout",
        )

    def _abandoned(self, call: PendingCall) -> None:
        """A caller gave up: what runs is stopped, what waits is skipped when its turn comes."""
        if self._job is not None and self._job.call is call:
            self._halt(self._job)

    def _halt(self, job: Job) -> None:
        if not job.told:
            job.told = self._loop.time()
            job.halt.set()

    def _leave(self, job: Job) -> None:
        """Go on without a thread that doesn't come back, as from a file system that hangs."""
        self._output.line("stderr", f"[a call did not stop within {_GRACE:g} s; its thread was left behind]")
        self._job = self._guest = None
        self._lane.stop()
        self._lane = self._new_lane()
        if job.answer is not None and not job.answer.done():
            job.answer.set_exception(self._late())
        self._next()

    def _stopped(self) -> WorkerCrashed:
        return WorkerCrashed(f"`{self._plugin}` was stopped", plugin=self._plugin)

    # -- life

    async def initialize(self, seconds: float) -> None:
        error = await self._perform(
            lambda guest: guest.initialize(self._config), seconds, instant=self._program.instant
        )
        if error is None:
            self._initialized = True
            return
        await self.close()
        late = isinstance(error, CallTimeout)
        message = error.message if late else f"initialize of `{self._plugin}` failed: {error.message}"
        code = "initialize-timeout" if late else error.code if error.code == "memory-limit" else None
        raise InitializeFailed(
            message,
            code=code,
            traceback=getattr(error, "traceback", None),
            hint=None if isinstance(error, PluginRaised) else error.hint,
            plugin=self._plugin,
        )

    async def configure(self, config: Mapping[str, Any], seconds: float) -> bool:
        wanted = as_json(config)
        error = await self._perform(lambda guest: guest.configure(wanted), seconds, wanted)
        if error is None:
            return True
        if isinstance(error, CallTimeout) or self._closed:
            raise error
        message = f"`{self._plugin}` refused its settings: {error.message}"
        raise ConfigError(message, code="plugin-config-refused", plugin=self._plugin)

    async def _perform(
        self,
        begin: Callable[[Guest], Steps[None]],
        seconds: float,
        config: bytes | None = None,
        *,
        instant: bool = False,
    ) -> DevKitError | None:
        """Do something that is no call, within a time limit, and return what went wrong.

        It waits for the call that runs, and goes before those that wait.
        """
        job = Job(begin, answer=self._loop.create_future(), config=config, instant=instant)
        assert job.answer is not None
        self._before = job
        self._next()
        try:
            if not job.answer.done():
                await asyncio.wait({job.answer}, timeout=seconds)
        except asyncio.CancelledError:
            job.answer.cancel()
            if self._before is job:
                self._before = None
            else:
                self._halt(job)
                self._deadlines.watch(self)
            raise
        if self._before is job:
            self._before = None
            return CallTimeout(f"`{self._plugin}` was busy for {seconds:g} s", plugin=self._plugin)
        if not job.answer.done():
            self._halt(job)
            self._deadlines.watch(self)
            await asyncio.wait({job.answer})
            job.answer.exception()
            return CallTimeout(f"`{self._plugin}` took over {seconds:g} s", plugin=self._plugin)
        error = job.answer.exception()
        return error if error is None or isinstance(error, DevKitError) else error_of(error, self._plugin)

    async def drain(self, seconds: float) -> None:
        until = self._loop.time() + seconds
        while (self._job is not None or self._queue) and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # rare, and no call pays for an event

    async def shutdown(self, seconds: float) -> None:
        await self._stop_calls()
        if self._guest is not None and self._job is None:
            error = await self._perform(lambda guest: guest.shutdown(), seconds)
            if error is not None:
                self._output.line("stderr", f"[shutdown: {error.message}]")
        self._output.flush()

    async def _stop_calls(self) -> None:
        self._closed = True
        before, self._before = self._before, None
        if before is not None and before.answer is not None:
            before.answer.set_exception(self._stopped())
        self._short = -1  # no call runs in this thread any more
        for call in self._queue.take_all():
            if not call.done():
                call.abandon = None
                call.set_exception(self._stopped())
        if self._job is not None:
            self._halt(self._job)
            self._deadlines.watch(self)
            await self.drain(2 * _GRACE)

    async def close(self) -> None:
        await self._stop_calls()
        self._lane.stop()
        await self._lane.ended(_GRACE)
        self._deadlines.forget(self)
        self._discard()
        self._output.flush()
