"""One worker: its process, channel and output, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Container, Mapping
from typing import Any

from devkit_core.errors import (
    CallTimeout,
    ConfigError,
    DevKitError,
    LoadError,
    WorkerCrashed,
)
from devkit_core.protocol.frames import FrameError, Kind, encode
from devkit_core.protocol.handshake import agree, configure, initialize, welcome
from devkit_core.protocol.messages import Hello, read_failure, read_hello
from devkit_core.sandbox.plan import Limits
from devkit_core.workers.admission import Share
from devkit_core.workers.aftermath import settle
from devkit_core.workers.blocking_channel import BlockingChannel
from devkit_core.workers.channel import Channel
from devkit_core.workers.deadlines import Deadlines
from devkit_core.workers.death import death, overdue, overrun
from devkit_core.workers.grace import GRACE, Grace
from devkit_core.workers.host_calls import HostCalls, Services
from devkit_core.workers.output import Log, Output
from devkit_core.workers.pending import PendingCall
from devkit_core.workers.starting import failed_start, refused
from devkit_core.workers.usage import Usage
from devkit_core.workers.worker_page import WorkerPage
from devkit_core.workers.zygote import Process, Zygote

__all__ = ["Worker"]

#: above the id of any call
_EVERY = 1 << 32
#: seconds from the end of the channel to the exit, before a worker is ended
_LINGER = 1.0


class Worker:
    """A running worker.

    With `threads` its channel, the `lane`, takes calls of other threads too. `ended` is called once, with why
    it ended (None where it was asked to) and the calls that it had not started; those it had started have
    failed by then.
    """

    def __init__(
        self,
        plugin: str,
        deadlines: Deadlines,
        limit: int,
        log: Log,
        ended: Callable[[DevKitError | None, list[PendingCall]], None],
        *,
        limits: Limits,
        usage: Usage,
        threads: bool = False,
        services: Services | None = None,
        share: Share | None = None,
    ) -> None:
        self.plugin = plugin
        self.process: Process | None = None
        self.hello: Hello | None = None
        self.idempotent: Container[int] = ()  # functions whose calls another worker may begin again
        self._deadlines = deadlines
        self._limit = limit
        self._log = log
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        channel = BlockingChannel if threads else Channel
        self._channel: Channel | BlockingChannel = channel(
            limit, self._control, self._lost, lambda: deadlines.watch(self)
        )
        self.lane = self._channel if isinstance(self._channel, BlockingChannel) else None
        #: sends a call, whose result or error is set on it; the channel's own, as a hop costs every call
        self.submit: Callable[[PendingCall], None] = self._channel.submit
        self._sent = self._channel.connection.sent
        self._channel.connection.queued.room = share
        self._reply: asyncio.Future[bytes] | None = None
        self._pong: asyncio.Future[None] | None = None
        self._outputs: list[Output] = []
        self._page: WorkerPage | None = None  # where a Python worker notes the call it begins
        self._limits = limits
        self._usage = usage
        self._services = services
        self._host_calls: HostCalls | None = None
        self.inputs: Mapping[int, int] = {}
        self._over: DevKitError | None = None  # the limit that it was ended for
        self._closing = False
        self._grace = Grace(self._channel)
        self._tell = False  # whether the end is told to `ended`: only after a start that succeeded
        self._gone: asyncio.Future[DevKitError | None] = self._loop.create_future()
        self._finishing: asyncio.Task[None] | None = None

    async def start(
        self, zygote: Zygote, request: dict[str, Any], broker: int | None, seconds: float
    ) -> Hello:
        """Start the process and shake hands; `broker` is the worker's end of its broker's channel.

        Raises LoadError with what the worker said, or how it ended.
        """
        await self._spawn(zygote, request, broker)
        try:
            payload = await self._answer(seconds, "start")
        except asyncio.CancelledError:
            await self.close()
            raise
        try:
            self.hello = read_hello(payload)
            features = agree(self.hello, asking=self._services is not None)
        except FrameError as broken:
            await self.close()
            raise LoadError(
                f"the worker of `{self.plugin}` can't be talked to: {broken}",
                code="protocol-violation",
                plugin=self.plugin,
            ) from None
        self._channel.connection.concurrency = self.hello.concurrency
        if self.process is not None:
            self._usage.begin(self.process.pid)
        if self._services is not None:
            self._host_calls = HostCalls(self.plugin, self._services, self._channel, features, self._limit)
            self.inputs = self._channel.inputs = self.hello.inputs
        if self.lane is not None and self._page is not None:
            self.lane.unwritten = self._page.unwritten
        if "memfd" in features and self._page is not None:
            self._channel.connection.share(memoryview(self._page.memory))
        self._channel.send(welcome(features, self._limit))
        return self.hello

    async def _spawn(self, zygote: Zygote, request: dict[str, Any], broker: int | None) -> None:
        """Make the process, with the other ends of what the host keeps of it; raises OSError too."""
        with contextlib.ExitStack() as theirs:
            try:
                ours, channel = socket.socketpair()
                descriptors = [theirs.enter_context(channel).fileno()]
                ours.setblocking(False)
                await self._channel.open(ours)
                for name in ("stdout", "stderr"):
                    read, write = os.pipe()
                    theirs.callback(os.close, write)
                    self._outputs.append(Output(read, name, self._log, self._limits.output_kb))
                    descriptors.append(write)
                self._page = WorkerPage()
                theirs.callback(os.close, self._page.descriptor)
                descriptors.append(self._page.descriptor)
                if broker is not None:
                    descriptors.append(broker)
                self._reply = self._loop.create_future()
                self.process = await zygote.spawn(request, descriptors)
                self._deadlines.attend(self)
            except BaseException:
                self._channel.close()
                for output in self._outputs:
                    output.close()
                raise

    def _last_begun(self) -> int | None:
        if self._page is None or self.hello is None or "page" not in self.hello.features:
            return None
        return self._page.begun

    @property
    def takes_config(self) -> bool:
        """Whether the plugin is given settings when it is initialized."""
        return self.hello is not None and "config" in self.hello.features

    async def initialize(self, seconds: float, config: Mapping[str, Any] | None = None) -> None:
        """Run the plugin's initialize, with its settings where it takes them; raises InitializeFailed."""
        self._reply = self._loop.create_future()
        self._channel.send(initialize(config if self.takes_config else None))
        await self._answer(seconds, "initialize")
        if self._gone.done():  # it answered and died, before anybody was to be told
            why = self._gone.result()
            raise failed_start(
                self.plugin, why or WorkerCrashed("the worker ended", plugin=self.plugin), "initialize"
            )
        self._tell = True

    async def configure(self, config: Mapping[str, Any], seconds: float) -> bool:
        """Give the plugin changed settings; False where it doesn't take them while it runs.

        Raises ConfigError where its `configure` failed; it runs on then. A worker that doesn't answer in
        time is ended, and CallTimeout raised.
        """
        if self.hello is None or "configure" not in self.hello.features:
            return False
        reply = self._reply = self._loop.create_future()
        self._channel.send(configure(config))
        arrived = await self._arrives(reply, seconds)
        self._reply = None
        if not arrived:
            self.kill()
            raise CallTimeout(f"`{self.plugin}` didn't take settings in {seconds:g} s", plugin=self.plugin)
        if (error := reply.exception()) is not None:
            message = f"`{self.plugin}` refused its settings: {error}"
            raise ConfigError(message, code="plugin-config-refused", plugin=self.plugin)
        return True

    async def ping(self, seconds: float) -> None:
        """Wait until the worker answers a ping; raises CallTimeout, or WorkerCrashed where it has ended."""
        pong = self._pong
        if pong is None:  # else one ping answers all who wait
            pong = self._pong = self._loop.create_future()
            self._channel.send(encode(Kind.PING))
        try:
            arrived = await self._arrives(pong, seconds)
        finally:
            if self._pong is pong:
                self._pong = None
        if not arrived:
            raise CallTimeout(
                f"the worker of `{self.plugin}` answered no ping in {seconds:g} s", plugin=self.plugin
            )

    async def _arrives(self, answer: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for an answer, and say whether it came in time; raises what the worker ended with."""
        await asyncio.wait({answer, self._gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._gone.done():
            raise self._gone.result() or WorkerCrashed("the worker ended", plugin=self.plugin)
        return answer.done()

    async def shutdown(self, seconds: float) -> None:
        """Run the plugin's shutdown; what goes wrong is logged."""
        if self._gone.done() or not self._channel.is_open:
            return
        self._closing = True
        self._reply = self._loop.create_future()
        self._channel.send(encode(Kind.SHUTDOWN))
        try:
            await self._answer(seconds, "shutdown")
        except DevKitError as error:
            self._log("stderr", f"[shutdown: {error.message}]")

    async def _answer(self, seconds: float, stage: str) -> bytes:
        """Wait for the answer of call 0, within a time limit; a worker that doesn't give it is ended."""
        assert self._reply is not None
        reply = self._reply
        either: set[asyncio.Future[Any]] = {reply, self._gone}
        done, _ = await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._reply = None
        error: DevKitError
        if reply in done:
            try:
                return reply.result()
            except DevKitError as failed:
                error = failed
        elif self._gone in done:
            why = self._gone.result()
            error = why if why is not None else WorkerCrashed("the worker ended", plugin=self.plugin)
        else:
            error = CallTimeout(
                f"{stage} of `{self.plugin}` took over {seconds:g} s",
                plugin=self.plugin,
                hint="raise initialize_timeout or the manifest's [runtime.timeouts]",
            )
        await self.close()
        if stage == "shutdown":
            raise error
        # that it ended is the cause: a start that failed so may go well another time
        raise failed_start(self.plugin, error, stage) from (error if type(error) is WorkerCrashed else None)

    # -- calls

    def look(self, now: float) -> None:
        """End the worker where it is over a limit that the kernel doesn't hold; called idle or not.

        Memory that calls shared with it goes back to the system once none is in flight.
        """
        with self._channel.guard:
            if self._page is not None and self._channel.connection.idle_memory():
                self._page.give_back()
        if self.process is not None and self._over is None:
            self._over = self._usage.exceeded(now, self.process.pid)
            if self._over is not None:
                self.kill()

    def sweep(self, now: float) -> bool:
        """Fail overdue calls, and end the worker where one doesn't stop within its grace."""
        with self._channel.guard:
            return self._sweep(now)

    def _sweep(self, now: float) -> bool:
        connection = self._channel.connection
        if self._page is not None and (frames := self._page.unwritten()):
            connection.take_unwritten(frames)  # a slow call was begun behind them
        for waiting in self._channel.expired(now):
            connection.cancel(waiting, now)
            waiting.abandon = None
            waiting.set_exception(overdue(self.plugin))
        if self._grace.is_over(now):
            self._log("stderr", f"[ended: a cancelled call did not stop within {GRACE:g} s]")
            self.end(overrun(self.plugin, GRACE))
            return False
        if number := self._grace.next():
            self._interrupt(number)
        return self._channel.busy

    def _interrupt(self, number: int) -> None:
        """Make the plugin's code stop, where a cancelled call is what it runs now; each sweep tries again."""
        if self._page and self.process and self.hello and "interrupt" in self.hello.features:
            self._page.cancel(number)
            self.process.interrupt()

    async def drain(self, seconds: float) -> None:
        """Wait until no call is in flight, at most this long."""
        until = self._loop.time() + seconds
        connection = self._channel.connection
        while (connection.sent or connection.queued) and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # rare, and no call pays for an event

    @property
    def in_flight(self) -> int:
        """How many calls it has, those that wait for the wire too."""
        return len(self._sent) + len(self._channel.connection.queued)

    def end(self, why: DevKitError) -> None:
        """End the process at once, for this reason."""
        self._over = self._over or why
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        with self._channel.guard:
            self._channel.connection.hold()
        if self.process is not None:
            self.process.kill()

    # -- the channel's events

    def _control(self, kind: int, payload: bytes) -> None:
        if kind == Kind.PONG:
            if self._pong is not None and not self._pong.done():
                self._pong.set_result(None)
            return
        reply = self._reply
        if reply is None or reply.done():
            raise FrameError(f"a frame of kind {kind} that nobody asked for")
        wanted = Kind.HELLO if self.hello is None else Kind.RESULT
        if kind == wanted:
            reply.set_result(payload)
        elif kind == Kind.ERROR:
            initializing = self.hello is not None and not self._tell
            reply.set_exception(refused(self.plugin, read_failure(payload), initializing))
        else:
            raise FrameError(f"a frame of kind {kind} where {Kind(wanted).name.lower()} was due")

    def _lost(self, broken: str | None) -> None:
        if self._host_calls is not None:
            self._host_calls.close()
        self._finishing = self._loop.create_task(self._finish(broken))

    async def _finish(self, broken: str | None) -> None:
        """Learn how the process ended and settle every call."""
        process = self.process
        if process is not None and broken is not None:
            process.kill()
        status = await process.over(_LINGER) if process is not None else None
        self._deadlines.forget(self)
        for output in self._outputs:
            output.drain()
        self._log.flush()
        if self._page is not None and broken is None and (frames := self._page.unwritten(ended=True)):
            with self._channel.guard:
                self._channel.connection.take_unwritten(frames)
        last = self._last_begun()
        if last is None and broken is not None:
            last = _EVERY  # what it said of later calls came behind the broken rule, and was not read
        started, waiting = self._channel.leave(last)
        grown = self._usage.grown(process.peak_mb) if process is not None else 0
        why = None if self._closing else self._over or death(self.plugin, broken, status, grown, self._limits)
        if self._page is not None:
            with self._channel.guard:  # a thread may be reading from it
                self._channel.connection.share(None)
            self._page.close()
            self._page = None
        unstarted = settle(self.plugin, why, started, waiting, self.idempotent)
        if not self._gone.done():
            self._gone.set_result(why)
        if self._tell:
            self._ended(why, unstarted)
        else:
            for call in unstarted:
                call.set_exception(why or WorkerCrashed("the worker ended", plugin=self.plugin))

    async def close(self) -> None:
        """End the worker and wait until it is gone; may be called at any time."""
        self._closing = True
        self.kill()
        self._channel.close()
        if self.process is not None and not self._gone.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._gone), 2 * _LINGER)
