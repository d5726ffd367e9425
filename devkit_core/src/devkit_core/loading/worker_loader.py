"""Loaders whose plugins run in confined worker processes."""

from __future__ import annotations

import os
import socket
import sys
from abc import abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from devkit_core.errors import DevKitError
from devkit_core.loading.loader import Instance, Loader, LoadRequest
from devkit_core.model.manifest import Manifest
from devkit_core.model.permissions import within
from devkit_core.sandbox.authority import Authority
from devkit_core.sandbox.plan import Runtime, build
from devkit_core.workers.broker import Broker
from devkit_core.workers.errand import Finished, run
from devkit_core.workers.pending import PendingCall
from devkit_core.workers.relay import Relay
from devkit_core.workers.usage import Usage
from devkit_core.workers.worker import Worker
from devkit_core.workers.zygote import Zygote

__all__ = ["WorkerInstance", "WorkerLoader", "WorkerSpec"]


_BASE = 32  # MiB that an idle worker of Python's has, where it is measured from outside


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How a plugin's worker is made.

    `argv` is the program to run with the channel as descriptor 3 (docs/reference/worker-protocol.md); an
    empty one means the zygote's own interpreter, for Python. `runtime` names the files that it reads and
    executes, `path` the folders that its modules are looked for in after the standard library's, for Python.
    """

    runtime: Runtime
    argv: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


class WorkerInstance(Instance):
    """A plugin in a worker process."""

    def __init__(
        self, worker: Worker, broker: Broker | Relay | None, config: Mapping[str, Any] | None
    ) -> None:
        assert worker.hello is not None
        assert worker.process is not None
        self._worker = worker
        self._broker = broker
        self._config = config
        self.takes_config = worker.takes_config
        self.concurrency = worker.hello.concurrency
        self.functions = worker.hello.functions
        self.inputs = worker.inputs
        self.pid = worker.process.pid
        self.lane = worker.lane
        self.submit = worker.submit  # type: ignore[method-assign,assignment]  # saves a hop on every call

    async def initialize(self, seconds: float) -> None:
        await self._worker.initialize(seconds, self._config)

    async def configure(self, config: Mapping[str, Any], seconds: float) -> bool:
        return await self._worker.configure(config, seconds)

    def submit(self, call: PendingCall) -> None:
        self._worker.submit(call)

    @property
    def in_flight(self) -> int:
        return self._worker.in_flight

    def end(self, why: DevKitError) -> None:
        self._worker.end(why)

    async def ping(self, seconds: float) -> None:
        await self._worker.ping(seconds)

    async def drain(self, seconds: float) -> None:
        await self._worker.drain(seconds)

    async def shutdown(self, seconds: float) -> None:
        await self._worker.shutdown(seconds)

    async def close(self) -> None:
        await self._worker.close()
        if self._broker is not None:
            await self._broker.close()


class WorkerLoader(Loader):
    """Runs each plugin in a worker: a subclass says which program, the rest is here.

    A worker is forked from a zygote, confined there, and then becomes the program. A loader whose workers
    stay Python, but run something other than Python files, names a file of its own as `program`: the
    zygote imports it before it forks, with `program_folders` on its module search path, and its
    `load(request, kit)` makes the plugin's `kit.Program` after the confinement, from what `_order` holds.
    """

    program: ClassVar[Path | None] = None
    program_folders: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._zygote = Zygote(sys.executable, self.program, self.program_folders)

    @abstractmethod
    def spec(self, request: LoadRequest) -> WorkerSpec | Awaitable[WorkerSpec]:
        """Say how this plugin's worker is made; called by `start`. Raises LoadError.

        A loader that has to translate or fetch something first makes it `async`.
        """

    async def run(self, request: LoadRequest, spec: WorkerSpec, seconds: float) -> Finished:
        """Run a program over a plugin's files to its end, confined like its worker: a compiler, say.

        It gets no right that was granted to the plugin; its output is returned, 16 MiB at most of each
        stream. Raises LoadError where it can't be started or takes longer than `seconds`.
        """
        nothing = replace(request, authority=Authority(frozenset(), frozenset()))
        message, environment = self._confinement(nothing, spec)
        return await run(self._zygote, self._order(request, spec, message, environment), seconds)

    async def start(self, request: LoadRequest) -> Instance:
        made = self.spec(request)
        spec = made if isinstance(made, WorkerSpec) else await made
        message, environment = self._confinement(request, spec)
        broker, theirs = self._broker(request, spec)
        worker = Worker(
            request.id,
            request.deadlines,
            request.payload_limit,
            request.log,
            request.ended,
            limits=request.limits,
            usage=Usage(
                request.id,
                request.scratch,
                request.limits,
                tree=not request.confined or request.authority.has("process", "spawn"),
                base_mb=spec.runtime.memory_base_mb or _BASE,
            ),
            threads=request.threads,
            services=request.services,
            share=request.share,
        )
        try:
            await worker.start(
                self._zygote,
                {**self._order(request, spec, message, environment), "broker": broker is not None},
                theirs.fileno() if theirs is not None else None,
                request.start_seconds,
            )
        except BaseException:
            if broker is not None:
                await broker.close()
            raise
        finally:
            if theirs is not None:
                theirs.close()
        worker.idempotent = idempotent(request.manifest, worker.hello.functions if worker.hello else {})
        return WorkerInstance(worker, broker, request.config)

    def _order(
        self,
        request: LoadRequest,
        spec: WorkerSpec,
        plan: dict[str, Any] | None,
        environment: dict[str, str],
    ) -> dict[str, Any]:
        """Return what the zygote is to make."""
        return {
            "plan": plan,
            "environment": environment,
            "scratch": str(request.scratch),
            "cwd": start_folder(request, plan),
            "folder": str(request.folder),
            "entry": str(request.entry.path),
            "functions": sorted(name for name in request.manifest.functions if name != "execute"),
            "plugin": request.id,
            "version": request.manifest.version,
            "argv": list(spec.argv),
            "path": list(spec.path),
            "broker": False,
        }

    def _confinement(
        self, request: LoadRequest, spec: WorkerSpec
    ) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return the plan as the worker reads it, or None where the user lifted it, and the environment."""
        plan = build(
            request.authority,
            folder=request.folder,
            scratch=request.scratch,
            cwd=request.cwd,
            limits=request.limits,
            runtime=spec.runtime,
            enforcement=request.enforcement,
            environment=request.manifest.runtime.env,
        )
        if not request.confined:
            return None, dict(plan.environment)
        plan.demand(request.id)
        for note in plan.notes:
            request.log("stderr", f"[{note}]")
        return plan.as_message(), dict(plan.environment)

    def _broker(
        self, request: LoadRequest, spec: WorkerSpec
    ) -> tuple[Broker | Relay | None, socket.socket | None]:
        """Return the host's side and the worker's end of its network, where a right to one was granted.

        Python takes the connections themselves; of other programs not all can.
        """
        if not any(p.domain == "network" and p.action != "none" for p in request.authority.granted):
            return None, None
        if spec.argv:
            ours, theirs = socket.socketpair()
            return Relay(ours, request.authority), theirs
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return Broker(ours, request.authority), theirs

    async def close(self) -> None:
        await self._zygote.close()


def start_folder(request: LoadRequest, plan: dict[str, Any] | None) -> str:
    """Return the folder a worker starts in: the host's, where the plugin was granted it, else its scratch.

    So a path that a user names relative to where they are means the same to the plugin.
    """
    here = os.path.realpath(request.cwd)
    if plan is None:
        return here
    granted = any(request.authority.has("filesystem", action) for action in ("read", "write"))
    rules = plan["landlock"]["rules"] if plan["landlock"] else ()
    if granted and any(within(here, path) for path, _ in rules):
        return here
    return str(request.scratch)


def idempotent(manifest: Manifest, functions: Mapping[str, int]) -> frozenset[int]:
    """Return the numbers of the functions whose calls another worker may begin again."""
    usual, described = manifest.runtime.idempotent, manifest.functions
    own = {name: each.idempotent for name, each in described.items() if each.idempotent is not None}
    return frozenset(number for name, number in functions.items() if own.get(name, usual))
