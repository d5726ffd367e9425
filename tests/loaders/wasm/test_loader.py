"""Which modules are taken, what is wrong with the others, and where compiled ones are kept."""

import asyncio
import os
import stat
import subprocess
import sys

import pytest
import wasmtime

from devkit_core.errors import LoaderMissing, LoadError
from devkit_core.loading.loader import Entry, Fit
from devkit_loader_wasm.checks import checks
from devkit_loader_wasm.loader import WasmLoader

from .conftest import ECHO, plain

COMPONENT = b"\0asm\x0d\0\1\0"


def entry(path, data, declared=None):
    return Entry(path, path.suffix, data[:4096], declared)


@pytest.fixture
def check(tmp_path):
    def check(module):
        path = tmp_path / ("module.wat" if isinstance(module, str) else "module.wasm")
        data = module.encode() if isinstance(module, str) else module
        return [(p.code, p.message) for p in WasmLoader().check(entry(path, data), data)]

    return check


def test_modules_are_known_by_their_bytes_and_names(tmp_path):
    loader = WasmLoader()
    assert loader.probe(entry(tmp_path / "a.wasm", b"")) is Fit.EXTENSION
    assert loader.probe(entry(tmp_path / "a.wat", b"(module)")) is Fit.EXTENSION
    assert loader.probe(entry(tmp_path / "a", b"\0asm\1\0\0\0")) is Fit.MAGIC
    assert loader.probe(entry(tmp_path / "a", b"\0asm\1\0\0\0", "wasm")) is Fit.DECLARED
    assert loader.probe(entry(tmp_path / "a.wasm", b"", "python")) is Fit.NO
    assert loader.probe(entry(tmp_path / "a.py", b"")) is Fit.NO


@pytest.mark.parametrize(
    "module",
    [
        plain(ECHO),
        plain(ECHO, '(import "devkit" "log" (func (param i32 i32)))'),
        '(module (func (export "_start")))',
        """(module (memory (export "memory") 1) (func (export "malloc") (param i32) (result i32) unreachable)
          (func (export "execute") (param i32) (result i32) unreachable) (func (export "initialize")))""",
    ],
)
def test_each_form_is_fine(check, module):
    assert check(module) == []


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("(module)", "entry-function-missing", "devkit_execute"),
        (plain(ECHO, '(import "env" "abort" (func))'), "wasm-import-unknown", "env.abort (func)"),
        (
            plain(ECHO, '(import "wasi_snapshot_preview1" "fd_read" (global i32))'),
            "wasm-import-unknown",
            "fd_read (global)",
        ),
        (plain(ECHO).replace('"devkit_alloc"', '"alloc"'), "wasm-export-missing", "devkit_alloc"),
        (plain(ECHO).replace('(export "memory")', ""), "wasm-export-missing", "memory"),
        (plain(ECHO, '(func (export "devkit_free") (param i32))'), "wasm-export-signature", "(i32) -> ()"),
        ("(module (func (export", "wasm-invalid", ""),
        ("\ufeff\0", "wasm-invalid", ""),
        (COMPONENT, "wasm-component", "component"),
        (b"MZ", "wasm-invalid", "version 1"),
        (b"\0asm\1\0\0\0\1\xff\xff\xff\xff\x0f", "wasm-invalid", "too early"),
    ],
)
async def test_what_is_wrong_is_named(check, write, manager, module, code, words):
    found = check(module)
    assert [each for each, _ in found] == [code]
    assert words in found[0][1]
    write(module)
    with pytest.raises(LoadError) as caught:
        await manager.load("module")
    assert (caught.value.code, caught.value.message) == found[0]
    assert caught.value.place.path.endswith(("module.wat", "module.wasm"))


def test_all_that_is_wrong_is_shown(check):
    text = '(module (import "env" "a" (func)) (import "env" "b" (memory 1)) (func (export "execute")))'
    assert [code for code, _ in check(text)] == [
        "wasm-import-unknown",
        "wasm-import-unknown",
        "wasm-export-missing",
        "wasm-export-missing",
        "wasm-export-signature",
    ]


def test_a_text_s_mistake_has_its_line(tmp_path):
    text = b'(module\n  (func (export "f") nonsense))'
    [problem] = WasmLoader().check(entry(tmp_path / "m.wat", text), text)
    assert (problem.code, problem.place.line) == ("wasm-invalid", 2)


async def test_a_module_that_does_not_validate_is_refused(write, manager):
    valid = bytes(wasmtime.wat2wasm(plain("(i64.const 7)")))
    write(valid.replace(b"\x42\x07\x0b", b"\x41\x07\x0b"))
    with pytest.raises(LoadError, match="type mismatch") as caught:
        await manager.load("module")
    assert caught.value.code == "wasm-invalid"


async def test_an_import_of_another_type_is_refused(load):
    with pytest.raises(LoadError, match="fd_close") as caught:
        await load(plain(ECHO, '(import "wasi_snapshot_preview1" "fd_close" (func (param i64)))'))
    assert caught.value.code == "wasm-link-failed"


async def test_proposals_that_escape_the_limits_are_off(load):
    with pytest.raises(LoadError) as caught:
        await load(plain(ECHO).replace(") 1)", ") 1 2 shared)"))
    assert caught.value.code == "wasm-invalid"


# -- compiled modules


@pytest.fixture
def cache(home):
    return home.cache / "wasm"


async def test_a_module_is_compiled_once(load, manager, cache):
    await load(plain(ECHO))
    [kept] = cache.glob("*.cwasm")
    made = kept.stat()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.st_mode) == 0o400
    await manager.reload("module")
    [again] = cache.glob("*.cwasm")
    assert (again, again.stat().st_ino, again.stat().st_mtime_ns != 0) == (kept, made.st_ino, True)


async def test_a_damaged_artefact_is_made_anew(load, manager, cache):
    handle = await load(plain(ECHO))
    [kept] = cache.glob("*.cwasm")
    kept.unlink()  # its old content stays mapped
    kept.write_bytes(b"damaged")
    await manager.reload("module")
    assert await handle.execute("on") == "on"
    assert kept.stat().st_size > 100


async def test_what_another_could_have_written_is_not_run(load, manager, cache):
    await load(plain(ECHO))
    [kept] = cache.glob("*.cwasm")
    inode = kept.stat().st_ino
    kept.chmod(0o622)
    await manager.reload("module")
    [kept] = cache.glob("*.cwasm")
    assert kept.stat().st_ino != inode
    cache.chmod(0o755)
    await manager.reload("module")
    await asyncio.sleep(0.02)
    assert any("open to others" in line.text for line in manager.logs.lines("module"))
    assert kept.stat().st_mtime_ns


async def test_a_linked_cache_folder_is_not_used(load, manager, cache, tmp_path):
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.symlink_to(other)
    handle = await load(plain(ECHO))
    assert await handle.execute("on") == "on"
    assert list(other.iterdir()) == []


async def test_an_unwritable_cache_stops_nothing(load, cache):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    handle = await load(plain(ECHO))
    assert await handle.execute("on") == "on"


@pytest.mark.parametrize("seconds", [0.05])
async def test_compiling_has_a_time_limit(load, cache, seconds):
    with pytest.raises(LoadError) as caught:
        await load(plain(ECHO))
    assert caught.value.code == "wasm-compile-timeout"
    assert list(cache.iterdir()) == []


def test_doctor_says_what_holds_modules():
    [check] = checks()
    found = {finding.subject: finding for finding in check.run()}
    assert found["wasm"].level == "ok"
    assert found["wasm calls"].level == "ok"


async def test_nothing_of_a_module_runs_when_it_is_checked(tmp_path):
    text = b'(module (func $s (loop $l (br $l))) (start $s) (func (export "_start")))'
    assert list(WasmLoader().check(entry(tmp_path / "m.wat", text), text)) == []


def test_the_runtime_is_imported_only_when_it_is_needed():
    code = (
        "import devkit_loader_wasm.loader, devkit_loader_wasm.hooks, sys; sys.exit('wasmtime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_core_alone_names_the_distribution(tmp_path):
    from devkit_core.running.factory import choose

    with pytest.raises(LoaderMissing) as caught:
        choose(entry(tmp_path / "a.wasm", b"\0asm"), [])
    assert "devkit-loader-wasm" in caught.value.hint
    assert os.path.basename(caught.value.place.path) == "a.wasm"
