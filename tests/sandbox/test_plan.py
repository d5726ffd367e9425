"""From grants to paths, rights, limits and environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devkit_core.errors import PermissionDenied, Unconfined
from devkit_core.sandbox.authority import decide
from devkit_core.sandbox.landlock import READ, READ_EXECUTE, READ_WRITE, WRITE, Files
from devkit_core.sandbox.plan import Limits, Plan, build
from devkit_core.sandbox.probe import enforcement
from devkit_core.sandbox.runtimes import Runtime, python_runtime

FULL = enforcement(7, True, "x86_64")
Make = Callable[..., Plan]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    base = tmp_path.resolve()
    for name in ("plugin", "scratch", "cwd", "home"):
        (base / name).mkdir()

    def make(*grants: str, **more: Any) -> Plan:
        settings: dict[str, Any] = {
            "folder": base / "plugin",
            "scratch": base / "scratch",
            "cwd": base / "cwd",
            "limits": Limits(),
            "runtime": Runtime("python"),
            "enforcement": FULL,
            "environ": {"HOME": str(base / "home")},
        }
        return build(decide(grants, grants, plugin="p"), **{**settings, **more})

    return make


def rights(plan: Plan, path: Path | str) -> Files:
    """What a plan gives at a path, by itself or by a folder above."""
    found = Files(0)
    for rule, given in plan.rules:
        if str(path) == rule or str(path).startswith(rule.rstrip("/") + "/"):
            found |= given
    return found


def test_nothing_granted(make: Make, tmp_path: Path) -> None:
    plan = make()
    assert rights(plan, tmp_path / "plugin") == READ
    assert rights(plan, tmp_path / "scratch") == READ_WRITE
    assert rights(plan, "/dev/null") & Files.WRITE_FILE
    for path in ("/", "/etc", "/etc/passwd", "/proc", "/proc/self", "/sys", "/dev", "/home", "/tmp", tmp_path,
                 tmp_path / "cwd", "/usr/bin", "/bin", "/etc/ssl/private"):  # fmt: skip
        assert rights(plan, path) == Files(0), path
    writable = [path for path, given in plan.rules if given & WRITE]
    assert writable == ["/dev/null", str(tmp_path / "scratch")]
    assert not any(given & Files.EXECUTE for _, given in plan.rules)
    assert (plan.network, plan.spawn, plan.notes, plan.unenforced) == (False, False, (), ())


@pytest.mark.parametrize(
    ("grant", "plugin", "cwd"),
    [
        ("filesystem:read", READ, READ),
        ("filesystem:read=$CWD", READ, READ),
        ("filesystem:read=$PLUGIN", READ, Files(0)),
        ("filesystem:write", READ, WRITE),
        ("filesystem:write=$PLUGIN", READ_WRITE, Files(0)),
        ("filesystem:read-write", READ, READ_WRITE),
        ("process:spawn", READ_EXECUTE, Files(0)),
    ],
)
def test_files(make: Make, tmp_path: Path, grant: str, plugin: Files, cwd: Files) -> None:
    plan = make(grant)
    assert rights(plan, tmp_path / "plugin") == plugin
    assert rights(plan, tmp_path / "cwd") == cwd
    assert rights(plan, tmp_path / "home") == Files(0)


def test_a_scope_is_one_folder(make: Make, tmp_path: Path) -> None:
    (tmp_path / "cwd" / "data").mkdir()
    plan = make("filesystem:read=$CWD/data")
    assert rights(plan, tmp_path / "cwd" / "data") == READ
    assert rights(plan, tmp_path / "cwd") == Files(0)


@pytest.mark.parametrize("grant", ["filesystem:read", "filesystem:write", "filesystem:read=$CWD"])
@pytest.mark.parametrize("above", [False, True])
def test_home_is_not_the_working_folder(make: Make, tmp_path: Path, grant: str, above: bool) -> None:
    cwd = tmp_path if above else tmp_path / "home"
    plan = make(grant, cwd=cwd)
    assert rights(plan, tmp_path / "home") == Files(0)
    assert len(plan.notes) == 1
    assert "home folder" in plan.notes[0]
    below = make("filesystem:read=$CWD/deep", cwd=cwd)
    assert "doesn't exist" in below.notes[0]


def test_a_folder_in_home_can_be_the_working_folder(make: Make, tmp_path: Path) -> None:
    (tmp_path / "home" / "project").mkdir()
    plan = make("filesystem:read", cwd=tmp_path / "home" / "project")
    assert rights(plan, tmp_path / "home" / "project") == READ
    assert plan.notes == ()


def test_a_link_out_of_its_root_gives_nothing(make: Make, tmp_path: Path) -> None:
    (tmp_path / "cwd" / "link").symlink_to(tmp_path / "home")
    plan = make("filesystem:read=$CWD/link")
    assert rights(plan, tmp_path / "home") == Files(0)
    assert "leads out of" in plan.notes[0]


@pytest.mark.parametrize("path", ["/proc", "/proc/1/environ", "/sys", "/dev", "/dev/shm"])
def test_some_folders_are_never_given(make: Make, path: str) -> None:
    plan = make(f"filesystem:read-write={path}")
    assert rights(plan, path) == Files(0)
    assert all("never given" in note for note in plan.notes)
    assert plan.notes


def test_a_wide_grant_implies_no_system_folder(make: Make, tmp_path: Path) -> None:
    plan = make("filesystem:read=/")
    for path in ("/proc/1", "/sys/kernel", "/dev/sda", "/etc/passwd", "/run/x", "/"):
        assert rights(plan, path) == Files(0), path
    assert rights(plan, tmp_path / "home") == READ
    assert rights(make("filesystem:read=/etc"), "/etc/passwd") == READ


def test_writing_where_the_plugin_lies_is_noted(make: Make, tmp_path: Path) -> None:
    plan = make("filesystem:write", cwd=tmp_path, environ={})
    assert any("own folder" in note for note in plan.notes)


def test_a_missing_path_is_noted(make: Make) -> None:
    plan = make("filesystem:read=/no/such/folder")
    assert plan.notes == ("/no/such/folder doesn't exist, so there is nothing to give",)


def test_rules_below_others_are_left_out(make: Make, tmp_path: Path) -> None:
    deep = tmp_path / "plugin" / "a"
    deep.mkdir()
    plan = make("filesystem:read", runtime=Runtime("python", (deep, tmp_path / "scratch")))
    paths = [path for path, _ in plan.rules]
    assert str(deep) not in paths
    assert len(paths) == len(set(paths))
    assert all(os.path.realpath(path) == path for path in paths)


def test_spawn_makes_programs_executable(make: Make) -> None:
    plan = make("process:spawn")
    assert rights(plan, "/usr/bin/env") == READ_EXECUTE
    assert rights(plan, "/etc/passwd") == Files(0)
    assert plan.spawn


def test_exec_runs_one_program(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "home" / "runtime"
    program.write_text("")
    plan = make(runtime=Runtime("exec", (), (program,), memory_base_mb=512))
    assert rights(plan, program) == READ_EXECUTE
    assert rights(plan, "/usr/bin/env") == Files(0)
    assert plan.as_message()["memory"] == {"bytes": 256 << 20, "base": 512 << 20}


def test_network_reads_certificates_but_no_keys(make: Make) -> None:
    plan = make("network:https")
    assert plan.network
    assert rights(plan, "/etc/ssl/private/key.pem") == Files(0)
    if Path("/etc/ssl/certs").is_dir():
        assert rights(plan, "/etc/ssl/certs/x") == READ
        assert rights(make(), "/etc/ssl/certs/x") == Files(0)


def test_system_info(make: Make) -> None:
    plan = make("system:info")
    assert rights(plan, "/proc/meminfo") == READ
    assert rights(plan, "/proc/1/status") == Files(0)


def test_environment(make: Make, tmp_path: Path) -> None:
    environ = {"HOME": "/h", "TOKEN": "secret", "TZ": "UTC", "LANG": "de_DE.UTF-8", "LD_PRELOAD": "x"}
    base = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "scratch"), "TMPDIR": str(tmp_path / "scratch")}
    assert make(environ=environ).environment == {**base, "LANG": "C.UTF-8"}
    assert make("environment:read", environ=environ).environment == {
        **base,
        "LANG": "de_DE.UTF-8",
        "TZ": "UTC",
    }
    named = make("environment:read=TOKEN", "environment:read=MISSING", environ=environ).environment
    assert named == {**base, "LANG": "C.UTF-8", "TOKEN": "secret"}
    assert make(environment={"MODE": "fast"}).environment["MODE"] == "fast"


@pytest.mark.parametrize(
    "variables",
    [{"LD_PRELOAD": "x"}, {"PYTHONPATH": "x"}, {"node_options": "x"}, {"BASH_ENV": "x"}, {"": "x"},
     {"A=B": "x"}, {"A": "x\0y"}, {"A\0": "x"}],
)  # fmt: skip
def test_refused_environment(make: Make, variables: dict[str, str]) -> None:
    with pytest.raises(PermissionDenied) as caught:
        make(environment=variables)
    assert caught.value.code == "environment-refused"


def test_limits(make: Make) -> None:
    limits = Limits(memory_mb=10, scratch_mb=2, threads=3, open_files=32, cpu_seconds=7)
    plan = make(limits=limits)
    found = dict(plan.rlimits)
    assert found[4] == 0  # core
    assert found[1] == 2 << 20  # file size
    assert found[7] == 32  # open files
    assert found[0] == 7  # seconds
    assert plan.as_message()["memory"] == {"bytes": 10 << 20, "base": None}
    assert 0 not in dict(make().rlimits)


def test_threads_are_limited_for_ordinary_users(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 65534)
    few = dict(make(limits=Limits(threads=1)).rlimits)[6]
    many = dict(make(limits=Limits(threads=101)).rlimits)[6]
    assert 90 < many - few < 110
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert 6 not in dict(make().rlimits)


@pytest.mark.parametrize("abi", range(8))
@pytest.mark.parametrize("seccomp", [True, False])
@pytest.mark.parametrize("grants", [(), ("process:spawn",)])
def test_what_cannot_be_enforced_is_demanded(
    make: Make, abi: int, seccomp: bool, grants: tuple[str, ...]
) -> None:
    found = enforcement(abi, seccomp, "x86_64")
    plan = make(*grants, enforcement=found)
    assert set(plan.unenforced) == set(found.missing()) - ({"spawn"} if grants else set())
    message = json.loads(json.dumps(plan.as_message()))
    assert (message["landlock"] is None) == (abi == 0)
    assert (message["seccomp"] is None) == (not seccomp)
    if plan.unenforced:
        with pytest.raises(Unconfined) as caught:
            plan.demand("p")
        assert caught.value.code == "confinement-unavailable"
        assert all(right in caught.value.message for right in plan.unenforced)
    else:
        plan.demand("p")


def test_children_cannot_be_signalled_before_abi_6(make: Make) -> None:
    assert any(
        "signal" in note for note in make("process:spawn", enforcement=enforcement(5, True, "x86_64")).notes
    )
    assert make("process:spawn").notes == ()


def test_the_python_runtime_has_no_site_packages_of_a_venv() -> None:
    runtime = python_runtime()
    assert any((path / "json").is_dir() for path in runtime.read)
    assert not any(path.name == "site-packages" for path in runtime.read)
    assert all(path.is_absolute() for path in (*runtime.read, *runtime.execute))
