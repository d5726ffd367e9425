"""The results of many inputs, a line of JSON each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from devkit_core.cli.documents import as_line
from devkit_core.errors import Place, StateError, UsageError

__all__ = ["ResultsFile"]


class ResultsFile:
    """Where results go: a file that must be new, unless `resume` takes up what it holds, or stdout for `-`.

    With `resume` the lines of inputs that were answered stay, and `answered` has their indexes; those of
    errors, and a line that was cut off, are dropped. Raises UsageError for a file that is there, or isn't
    of this plugin; StateError where it can't be written.
    """

    def __init__(self, path: str, plugin: str, *, resume: bool) -> None:
        self.path = path
        self.plugin = plugin
        self.answered: set[int] = set()
        if path == "-":
            if resume:
                raise UsageError("standard output can't be resumed", hint="name a file with --out")
            if sys.stdout is None:
                raise UsageError("standard output is closed", code="output-closed")
            self._file: IO[bytes] = sys.stdout.buffer
            return
        try:
            if resume and os.path.isfile(path):
                self._tidy()
            self._file = open(path, "ab" if resume else "xb")  # noqa: SIM115 - closed by close
        except FileExistsError:
            raise UsageError(
                "the file for the results is there already",
                code="results-exist",
                place=Place(path),
                hint="--resume goes on with it; or name another file",
            ) from None
        except (OSError, ValueError) as error:
            raise self._unwritable(error) from error

    def _tidy(self) -> None:
        """Keep the lines that count, whatever happens meanwhile."""
        beside = Path(f"{self.path}.new")
        try:
            with open(beside, "wb") as file:
                for index, line in self._answers():
                    if index not in self.answered:
                        self.answered.add(index)
                        file.write(line)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)
        finally:
            beside.unlink(missing_ok=True)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    data = json.loads(line)
                    index, ok, plugin = data["index"], data["ok"], data["id"]
                except (ValueError, TypeError, KeyError, RecursionError):
                    if not line.endswith(b"\n"):
                        return  # cut off
                    raise self._foreign(number, "it is no result of `devkit plugin map`") from None
                if plugin != self.plugin:
                    raise self._foreign(number, f"it is a result of `{plugin}`")
                if ok is True and type(index) is int and line.endswith(b"\n"):
                    yield index, line

    def _foreign(self, line: int, why: str) -> UsageError:
        return UsageError(
            f"the file can't be resumed: {why}",
            code="results-foreign",
            place=Place(self.path, line),
            hint="name the file that the interrupted run wrote",
        )

    def _unwritable(self, error: Exception) -> StateError:
        reason = getattr(error, "strerror", None) or str(error)
        return StateError(
            f"the results can't be written: {reason}", code="results-unwritable", place=Place(self.path)
        )

    def write(self, result: Mapping[str, Any]) -> None:
        """Add one result; lines reach the file whole, and at the latest with `flush`."""
        self._file_do("write", as_line(result).encode())

    def flush(self) -> None:
        """Let the lines so far reach the file."""
        self._file_do("flush")

    def _file_do(self, what: str, *data: bytes) -> None:
        try:
            getattr(self._file, what)(*data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Flush and close."""
        self._file_do("flush" if self.path == "-" else "close")
