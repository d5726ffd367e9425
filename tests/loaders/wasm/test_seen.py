"""What is known of a module's file by its facts, without reading it."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import LoadError
from devkit_loader_wasm import loader, seen
from devkit_loader_wasm.sections import Module, Signature

ANSWERS = """(module (memory (export "memory") 1) (data (i32.const 8) "{}")
  (func (export "devkit_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "devkit_execute") (param i32 i32) (result i64) (i64.const 0x800000001)){})"""
MODULE = Module(
    (("a", "b", "func"),),
    {"memory": "memory", "f": "func"},
    {"f": Signature(("i32",), ())},
    starts=True,
)


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once."""
    monkeypatch.setattr(seen, "_SETTLED", -60.0)


@pytest.fixture
def unread(monkeypatch):
    """No module is read any more."""

    def forbid():
        def read(path):
            raise AssertionError(f"{path} was read")

        monkeypatch.setattr(loader, "_read", read)

    return forbid


def test_a_file_that_has_just_changed_has_no_stamp(tmp_path):
    path = tmp_path / "file"
    path.write_text("a")
    assert seen.stamp(path.stat()) is None


def test_every_change_gives_another_stamp(settled, tmp_path):
    path = tmp_path / "file"
    path.write_text("a")
    facts = path.stat()
    first = seen.stamp(facts)
    assert first == seen.stamp(path.stat()) is not None
    path.rename(tmp_path / "other")
    path.write_text("b")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert seen.stamp(path.stat()) != first


def test_a_record_is_read_as_it_was_written(tmp_path):
    seen.write(tmp_path / "one.seen", MODULE, "artefact")
    assert seen.read(tmp_path / "one.seen") == (MODULE, "artefact")
    assert [path.name for path in tmp_path.iterdir()] == ["one.seen"]


@given(
    st.binary(max_size=50)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["artefact", "imports", "exports", "functions", "starts"]), inner, max_size=5
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_what_is_no_record_is_none(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "some.seen"
    path.write_bytes(data)
    assert seen.read(path) is None or b"artefact" in data


def test_an_outside_without_end_is_not_kept(tmp_path):
    seen.write(tmp_path / "one.seen", Module(exports={"x" * 300_000: "func"}), "artefact")
    assert list(tmp_path.iterdir()) == []


async def test_a_module_is_read_once(load, manager, settled, unread):
    await load(ANSWERS.format("a", ""))
    await manager.unload("module")
    unread()
    handle = await manager.load("module")
    assert await handle.execute("") == "a"


async def test_a_changed_module_is_what_runs(load, write, manager, settled):
    await load(ANSWERS.format("a", ""))
    await manager.unload("module")
    write(ANSWERS.format("b", ""))
    assert await (await manager.load("module")).execute("") == "b"


async def test_one_whose_artefact_is_gone_is_compiled_anew(load, manager, home, settled):
    await load(ANSWERS.format("a", ""))
    await manager.unload("module")
    [kept] = (home.cache / "wasm").glob("*.cwasm")
    kept.unlink()
    assert await (await manager.load("module")).execute("") == "a"
    assert kept.exists()


async def test_a_record_that_another_could_have_written_is_not_believed(load, manager, home, settled, unread):
    await load(ANSWERS.format("a", ""))
    await manager.unload("module")
    [record] = (home.cache / "wasm").glob("*.seen")
    record.chmod(0o666)
    unread()
    with pytest.raises(AssertionError, match="was read"):
        await manager.load("module")


async def test_functions_of_the_manifest_are_looked_for_in_what_is_known(load, write, manager, settled):
    await load(ANSWERS.format("a", ""))
    await manager.unload("module")
    write(ANSWERS.format("a", ""), '\n[functions.more]\ndescription = "missing"\n')
    with pytest.raises(LoadError, match="devkit_function_more"):
        await manager.load("module")
