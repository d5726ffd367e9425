"""A trusted native plugin, in the host's own process."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from devkit_core.api import (
    CallTimeout,
    ConfigError,
    DevKitError,
    ExecutionError,
    FunctionMissing,
    InitializeFailed,
    Instance,
    LoadError,
    LoadRequest,
    PayloadTooLarge,
    PendingCall,
    PluginRaised,
    Result,
)
from devkit_loader_native.library import Library, private_copy

__all__ = ["TrustedInstance"]


class TrustedInstance(Instance):
    """A library in this process: a call costs about a microsecond, and a crash of it is the host's end.

    Calls run at once, in the event loop's thread; while one runs nothing else does, and none can be
    stopped. One that comes back after its deadline has failed all the same. The library stays mapped when
    the plugin is unloaded, since a thread that it started may still run.
    """

    def __init__(self, request: LoadRequest) -> None:
        self._plugin = request.id
        self._limit = request.payload_limit
        self._log = request.log
        self._config = request.config
        folder, target = str(request.folder), str(request.scratch / "library")
        try:
            path = private_copy(str(request.entry.path), folder, target)
        except OSError as error:
            raise LoadError(
                f"{request.entry.path.name} can't be copied to {target}: {error.strerror}",
                code="library-unloadable",
                plugin=request.id,
            ) from None
        self._library = Library(path, self._failure)
        for warning in self._library.identify(request.id, request.manifest.version):
            self._log("stderr", warning)
        self.takes_config = self._library.takes_config
        names = ["execute", *sorted(name for name in request.manifest.functions if name != "execute")]
        self.functions = {name: number for number, name in enumerate(names)}
        self.attempt = self._attempt
        self._calls = [self._library.execute(), *(self._library.function(name) for name in names[1:])]

    def _failure(self, code: str, message: str, hint: str | None) -> DevKitError:
        kind: type[DevKitError] = LoadError
        if code == "plugin-raised":
            kind = PluginRaised
        elif code == "initialize-failed":
            kind, message = InitializeFailed, f"initialize of `{self._plugin}` failed: {message}"
        elif code == "payload-too-large":
            kind = PayloadTooLarge
        elif code in ("input-has-nul", "result-null", "result-not-text"):
            kind = ExecutionError
        return kind(message, code=code, hint=hint, plugin=self._plugin)

    async def initialize(self, seconds: float) -> None:
        if self.takes_config and self._config is not None and (why := self._library.configure(self._config)):
            raise self._failure("initialize-failed", why, None)
        self._library.initialize()

    async def configure(self, config: Mapping[str, Any], seconds: float) -> bool:
        if why := self._library.configure(config):
            message = f"`{self._plugin}` refused its settings: {why}"
            raise ConfigError(message, code="plugin-config-refused", plugin=self._plugin)
        return True

    def submit(self, call: PendingCall) -> None:
        if call.done():
            return
        try:
            result = self._attempt(call.function, call.data, call.text, call.deadline - monotonic())
        except DevKitError as error:
            call.set_exception(error)
        else:
            call.set_result(result)

    def _attempt(self, function: int, data: bytes, text: bool, seconds: float) -> Result:
        began = monotonic()
        try:
            data, text = self._calls[function](data, text)
        except IndexError:
            raise FunctionMissing(f"no function {function}", plugin=self._plugin) from None
        if len(data) > self._limit:
            raise PayloadTooLarge(
                f"the result has {len(data):,} bytes; the limit is {self._limit:,}", plugin=self._plugin
            )
        if monotonic() - began > seconds:
            raise CallTimeout(
                f"`{self._plugin}` answered too late",
                plugin=self._plugin,
                hint="a plugin in the host's process can't be stopped; take it out of trusted_plugins",
            )
        return Result(data, text)

    async def shutdown(self, seconds: float) -> None:
        if status := self._library.shutdown():
            self._log("stderr", f"shutdown returned {status}")

    async def close(self) -> None:
        return
