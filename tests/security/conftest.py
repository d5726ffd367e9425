"""A laboratory: forks confined children that try one attack each and tell how it went."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import devkit_core
from devkit_core.sandbox.authority import decide
from devkit_core.sandbox.plan import Limits, Plan, build
from devkit_core.sandbox.probe import Enforcement, probe
from devkit_core.sandbox.runtimes import Runtime, python_runtime

# Runs as `python -I -S -c`; forks once an attack, as the zygote does, and reports each on a pipe.
HARNESS = r"""
import ctypes, errno, gc, importlib.util, json, os, resource, signal, socket, struct, sys, threading, time
job = json.loads(sys.stdin.buffer.read())
if job["uid"] is not None:
    os.setgroups([]); os.setresgid(*[job["uid"]] * 3); os.setresuid(*[job["uid"]] * 3)

def part(name):
    spec = importlib.util.spec_from_file_location("devkit_worker_" + name, f"{job['child']}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

confine, network = part("confine"), part("network")
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(number, *arguments):
    result = libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def outcome(code):
    names = {**globals(), **job["names"]}
    try:
        exec(compile(code, "attack", "exec"), names)
    except OSError as error:
        return {"is": errno.errorcode.get(error.errno, type(error).__name__), "text": str(error)}
    except BaseException as error:
        return {"is": type(error).__name__, "text": str(error)}
    return {"is": "ok", "value": names.get("value")}

def attempt(code):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.dup2(os.open("/dev/null", os.O_RDWR), 1)
        os.environ.clear(); os.environ.update(job["environment"]); os.chdir(job["names"]["PLUGIN"])
        if job["confined"]:
            confine.apply(confine.prepare(job["message"]))
        if job["broker"]:
            network.install(4)
        elif job["explain"]:
            network.install_denied()
        os.write(theirs, json.dumps(outcome(code)).encode())
        os._exit(0)
    os.close(theirs)
    data = b"".join(iter(lambda: os.read(ours, 65536), b""))
    os.close(ours)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"is": signal.Signals(os.WTERMSIG(status)).name}
    return json.loads(data) if data else {"is": f"exit {os.waitstatus_to_exitcode(status)}"}

print(json.dumps([attempt(code) for code in job["attacks"]]))
"""

Outcome = dict[str, Any]


@dataclass(frozen=True)
class Laboratory:
    """Folders, a runtime and a user; `run` forks one confined child an attack."""

    root: Path
    python: str
    runtime: Runtime
    uid: int | None
    enforcement: Enforcement

    @property
    def names(self) -> dict[str, Any]:
        """What attacks know of the world outside."""
        folders = {name.upper(): str(self.root / name) for name in ("plugin", "scratch", "cwd", "outside")}
        return {**folders, "PARENT": os.getpid(), "PYTHON": self.python}

    def plan(self, grants: tuple[str, ...] = (), limits: Limits | None = None, **more: Any) -> Plan:
        """Return the plan of a plugin that has these rights."""
        return build(
            decide(grants, grants, plugin="attacker"),
            folder=self.root / "plugin",
            scratch=self.root / "scratch",
            cwd=self.root / "cwd",
            limits=limits or Limits(),
            runtime=more.pop("runtime", self.runtime),
            enforcement=more.pop("enforcement", self.enforcement),
            **more,
        )

    def start(
        self,
        attacks: list[str],
        plan: Plan,
        *,
        names: Mapping[str, Any] | None = None,
        broker: int | None = None,
        explain: bool = False,
        confined: bool = True,
    ) -> subprocess.Popen[bytes]:
        """Start the children; `broker` is a descriptor that they find as 4."""
        job = {
            "uid": self.uid,
            "child": str(self.root / "child"),
            "message": plan.as_message(),
            "environment": dict(plan.environment),
            "names": {**self.names, **(names or {})},
            "attacks": attacks,
            "broker": broker is not None,
            "explain": explain,
            "confined": confined,
        }
        start = f"import os; os.dup2({broker}, 4)\n" if broker is not None else ""
        process = subprocess.Popen(
            [self.python, "-I", "-S", "-c", start + HARNESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if broker is None else (broker,),
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, attacks: list[str], grants: tuple[str, ...] = (), **more: Any) -> list[Outcome]:
        """Run attacks, each in its own child, and return how each went."""
        plan = more.pop("plan", None) or self.plan(grants, more.pop("limits", None))
        process = self.start(attacks, plan, **more)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        found: list[Outcome] = json.loads(out)
        return found

    def one(self, attack: str, grants: tuple[str, ...] = (), **more: Any) -> Outcome:
        """Run one attack."""
        return self.run([attack], grants, **more)[0]


def _users() -> list[str]:
    # A root's own Python may lie where no one else reads; the system's is for everybody.
    both = os.getuid() == 0 and Path("/usr/bin/python3").exists()
    return ["self", "ordinary"] if both else ["self"]


@pytest.fixture(scope="session")
def enforcement() -> Enforcement:
    """What this kernel enforces; tests of confinement need all of it."""
    found = probe()
    assert not found.missing(), f"this kernel can't confine: {found.reason}"
    return found


@pytest.fixture(scope="session", params=_users())
def laboratory(request: pytest.FixtureRequest, enforcement: Enforcement) -> Iterator[Laboratory]:
    """A laboratory for whoever runs the tests, and one for an ordinary user where that is root."""
    root = Path(tempfile.mkdtemp(prefix="devkit-laboratory-")).resolve()
    root.chmod(0o755)
    try:
        ordinary = request.param == "ordinary"
        for name in ("plugin", "scratch", "cwd", "outside"):
            (root / name).mkdir()
            (root / name / "file.txt").write_text(f"of {name}")
        (root / "plugin" / "tool.sh").write_text("#!/bin/sh\necho tool\n")
        (root / "plugin" / "tool.sh").chmod(0o755)
        shutil.copytree(Path(devkit_core.__file__).parent / "child", root / "child")
        if ordinary:
            for path in (root, *root.rglob("*")):
                os.chown(path, 65534, 65534)
            python = os.path.realpath("/usr/bin/python3")
            library = subprocess.run(
                [python, "-I", "-S", "-c", "import os; print(os.path.dirname(os.__file__))"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            runtime = Runtime("python", (Path(library),), (Path(python),))
            yield Laboratory(root, python, runtime, 65534, enforcement)
        else:
            yield Laboratory(root, sys.executable, python_runtime(), None, enforcement)
    finally:
        shutil.rmtree(root, ignore_errors=True)
