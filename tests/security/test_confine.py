"""Confining a process: at each level of Landlock, whole or not at all, and before another program."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devkit_core.sandbox.landlock import READ
from devkit_core.sandbox.plan import Limits
from devkit_core.sandbox.probe import enforcement
from devkit_core.sandbox.runtimes import Runtime

OUTSIDE = (
    "open(OUTSIDE + '/file.txt').read()",
    "open(OUTSIDE + '/new', 'w')",
    "os.truncate(OUTSIDE + '/file.txt', 0)",
    "os.kill(os.getppid(), 0)",
    "socket.socket(socket.AF_UNIX)",
    "os.open(PLUGIN + '/file.txt', os.O_RDONLY | os.O_TRUNC)",
    "open(f'/proc/{PARENT}/environ').read()",
    "os.fork()",
)


@pytest.mark.parametrize("abi", range(1, 8))
def test_every_level_of_landlock_holds(laboratory: Any, abi: int) -> None:
    level = enforcement(abi, True, laboratory.enforcement.machine)
    plan = laboratory.plan(enforcement=level)
    assert plan.unenforced == ()
    outcomes = laboratory.run([*OUTSIDE, "open(SCRATCH + '/x', 'w').write('x')"], plan=plan)
    assert {o["is"] for o in outcomes[:-1]} <= {"EPERM", "EACCES"}
    assert outcomes[-1]["is"] == "ok"


def test_a_lower_level_spawns_without_signals(laboratory: Any) -> None:
    level = enforcement(5, True, laboratory.enforcement.machine)
    plan = laboratory.plan(("process:spawn",), enforcement=level)
    code = "import subprocess\np = subprocess.Popen(['/bin/sleep', '0.1'])\n"
    outcomes = laboratory.run([code + "p.wait()", code + "p.kill()", "os.kill(os.getppid(), 0)"], plan=plan)
    assert [o["is"] for o in outcomes] == ["ok", "EPERM", "EPERM"]
    outcomes = laboratory.run([code + "p.kill(); p.wait()"], ("process:spawn",))
    assert [o["is"] for o in outcomes] == ["ok"]


def test_a_path_that_became_a_link_is_not_given(laboratory: Any) -> None:
    link = laboratory.root / "plugin" / "link"
    link.symlink_to(laboratory.root / "outside")
    plan = laboratory.plan()
    try:
        plan = replace(plan, rules=(*plan.rules, (str(link), READ)))
        process = laboratory.start(["1"], plan)
        out, _ = process.communicate()
        assert b'"exit 1"' in out
    finally:
        link.unlink()


def test_a_path_that_has_gone_is_a_right_less(laboratory: Any) -> None:
    plan = laboratory.plan()
    plan = replace(plan, rules=(*plan.rules, (str(laboratory.root / "gone"), READ)))
    assert laboratory.run(["1"], plan=plan)[0]["is"] == "ok"


DAMAGE = {
    "another form": lambda message: message.update(version=2),
    "no limits": lambda message: message.pop("rlimits"),
    "an unknown Landlock right": lambda message: message["landlock"]["struct"].__setitem__(0, 1 << 40),
    "a program that doesn't end": lambda message: message["seccomp"].update(program="AAAAAAAAAAA="),
    "an empty program": lambda message: message["seccomp"].update(program=""),
    "an unknown limit": lambda message: message["rlimits"].append([99, 1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_never_half_confined(laboratory: Any, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = laboratory.plan()
    message = plan.as_message()
    DAMAGE[damage](message)
    monkeypatch.setattr(type(plan), "as_message", lambda _self: message)
    assert laboratory.run(["1"], plan=plan)[0]["is"] == "exit 1"


def test_a_process_with_threads_cannot_confine_itself(laboratory: Any) -> None:
    plan = laboratory.plan()
    code = (
        "threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()\n"
        "confine.prepare(job['message'])"
    )
    outcome = laboratory.run([code], plan=plan, confined=False)[0]
    assert outcome["is"] == "RuntimeError"
    assert "2 threads" in outcome["text"]


def test_confinement_only_grows(laboratory: Any) -> None:
    """A second one is refused: the first lets no filter and no ruleset be made."""
    outcome = laboratory.run(["confine.apply(confine.prepare(job['message']))"])[0]
    assert outcome["is"] in ("EPERM", "EACCES")


def test_the_signal_at_its_parents_end_stays(laboratory: Any) -> None:
    code = (
        "libc.prctl(1, 9, 0, 0, 0)\nconfine.apply(confine.prepare(job['message']))\n"
        "found = ctypes.c_int()\ncall(157, 2, ctypes.byref(found), 0, 0, 0); value = found.value"
    )
    assert laboratory.run([code], confined=False)[0]["value"] == 9


def test_limits_bind(laboratory: Any) -> None:
    limits = Limits(memory_mb=32, scratch_mb=1, open_files=16, cpu_seconds=1)
    attacks = [
        "bytearray(16 << 20)",
        "bytearray(48 << 20)",
        "f = open(SCRATCH + '/f%d' % os.getpid(), 'wb'); f.write(b'x' * (2 << 20)); f.flush()",
        "[os.dup(0) for _ in range(32)]",
        "while True: pass",
    ]
    outcomes = laboratory.run(attacks, limits=limits)
    assert [o["is"] for o in outcomes] == ["ok", "MemoryError", "EFBIG", "EMFILE", "SIGXCPU"]


def test_nothing_of_the_hosts_environment_is_seen(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "secret")
    outcome = laboratory.run(["value = sorted(os.environ)"])[0]
    assert outcome["value"] == ["HOME", "LANG", "PATH", "TMPDIR"]


def test_it_runs_much_of_the_standard_library(laboratory: Any) -> None:
    code = Path(__file__).with_name("typical.py").read_text()
    outcome = laboratory.run([code])[0]
    assert outcome["is"] == "ok", outcome


def test_programs_started_work_together(laboratory: Any) -> None:
    script = "cd $HOME && mkdir -p t && echo b > t/b && tar cf t.tar t && tar tf t.tar | sort | wc -l"
    code = f"import subprocess\nvalue = subprocess.check_output(['sh', '-c', {script!r}]).decode()"
    assert laboratory.one(code, ("process:spawn",))["value"].strip() == "2"


def test_copying_needs_no_modes(laboratory: Any) -> None:
    """As the reference says: `copyfile` works, `copy` fails at the mode."""
    code = "import shutil\nshutil.{}(PLUGIN + '/file.txt', SCRATCH + '/copied')"
    copies = [code.format(name) for name in ("copyfile", "copy")]
    assert [o["is"] for o in laboratory.run(copies)] == ["ok", "EPERM"]


@pytest.fixture
def shell(laboratory: Any) -> Any:
    """A laboratory whose children become /bin/sh, with /bin/cat and the shell as its only programs."""
    programs = tuple(Path(os.path.realpath(p)) for p in ("/bin/sh", "/bin/cat"))
    plan = laboratory.plan(runtime=Runtime("exec", laboratory.runtime.read, programs))

    def run(script: str) -> Any:
        return laboratory.run(
            [f"os.execve('/bin/sh', ['sh', '-c', {script!r}], dict(os.environ))"], plan=plan
        )[0]

    return run


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("true", 0),
        ("read x < $HOME/file.txt && [ \"$x\" != '' ]", 1),  # no line break in it: read fails, the rest holds
        ("echo x > $HOME/made && exec cat $HOME/made", 0),
        ("exec cat /etc/passwd", 1),
        ("exec cat /proc/self/environ", 1),
        ("exec ls", 126),
        ("echo '#!/bin/sh' > $HOME/tool; exec /lib64/ld-linux-x86-64.so.2 /bin/ls", 127),
        ("cat /dev/null", 2),  # it would have to fork
        ("kill -0 $PPID", 1),
        ("kill -0 $$", 0),
    ],
)
def test_another_program_is_held_too(shell: Any, script: str, status: int) -> None:
    assert shell(script)["is"] == f"exit {status}"
