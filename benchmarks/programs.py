"""Programs as contestants: how long a process takes from its start to its end."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hosts import project
from seat import Figures, Seat, spread

from devkit_core import __version__

#: a fresh process finds plugins for the first time, and says what that took
SCAN = """
import gc, json, sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from devkit_core import PluginManager, PluginSystemConfig
from devkit_core.config.places import Places
from seat import pss
import os
root = Path(sys.argv[1])
places = Places.under(Path(sys.argv[2]), project=root)
manager = PluginManager(PluginSystemConfig(), places=places, control=False)
gc.collect()
before = pss(os.getpid())
began = time.perf_counter()
found = manager.discover()
seconds = time.perf_counter() - began
gc.collect()
print(json.dumps({{"found": len(found), "s": seconds, "MiB": pss(os.getpid()) - before}}))
"""


def warm() -> dict[str, str]:
    """Return an environment in which programs may keep their bytecode, as installed ones do."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Program(Seat):
    """A program that is run to its end."""

    def __init__(self, name: str) -> None:
        self._environment = warm()
        self._command = [name]

    def run(self, times: int) -> Figures:
        """Time so many runs, behind one that isn't counted, and their processor time."""
        samples = []
        self._once()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(times):
            begin = time.perf_counter_ns()
            self._once()
            samples.append(time.perf_counter_ns() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {**spread(samples, 1e6, "ms"), "processor ms": used / times * 1e3}

    def _once(self) -> None:
        subprocess.run(self._command, env=self._environment, stdout=subprocess.DEVNULL, check=True)


class Listing(Program):
    """`devkit plugin list` with so many plugins, its cache warm."""

    version = f"{__version__}, Python {platform.python_version()}"

    def __init__(self, plugins: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="devkit-bench-")
        root = Path(self._folder.name)
        project(root, int(plugins))
        devkit = str(Path(sys.executable).with_name("devkit"))
        self._command = [devkit, "-C", str(root), "plugin", "list"]
        self._environment = {**warm(), "DEVKIT_HOME": str(root / "home")}

    async def stop(self) -> None:
        self._folder.cleanup()


class Python(Program):
    """`python -c CODE`, by the interpreter that runs devkit."""

    version = platform.python_version()

    def __init__(self, code: str) -> None:
        super().__init__("python")
        self._command = [sys.executable, "-c", code]


class Hatch(Program):
    """`hatch --version`."""

    def __init__(self) -> None:
        super().__init__("hatch")
        folder = os.environ.get("BENCHMARKS_PEERS", "")
        # the peers' environment: lib/pythonX.Y/site-packages below it
        self._command = [str(Path(folder).parents[2] / "bin" / "hatch"), "--version"]
        if not folder or not os.path.exists(self._command[0]):
            raise ImportError("there is no hatch", name="hatch")
        said = subprocess.run(self._command, capture_output=True, text=True, check=True)
        self.version = said.stdout.split()[-1]


class Node(Program):
    """`node -e 0`."""

    def __init__(self) -> None:
        super().__init__("node")
        node = shutil.which("node")
        if node is None:
            raise ImportError("there is no Node.js", name="node")
        self._command = [node, "-e", "0"]
        self.version = subprocess.check_output([node, "--version"], text=True).strip()[1:]


class Discovery(Seat):
    """A host that finds many plugins for the first time; nothing is loaded."""

    version = Listing.version

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="devkit-bench-")
        self._root, self._runs = Path(self._folder.name), 0

    def discovery(self, plugins: int) -> Figures:
        """Time and weigh one first scan, in a fresh process that has no cache of its own."""
        root = self._root / str(plugins)
        if not root.exists():
            project(root, plugins)
        self._runs += 1
        code = SCAN.format(path=[str(Path(__file__).resolve().parent)])
        command = [sys.executable, "-c", code, str(root), str(self._root / f"home-{self._runs}")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        figures: Figures = json.loads(done.stdout)
        if (found := figures.pop("found")) != plugins:
            raise AssertionError(f"{found} of {plugins} were found")
        return figures

    async def stop(self) -> None:
        self._folder.cleanup()
