"""The loader of a plugin is found by declaration, bytes, shebang and extension."""

import os
from pathlib import Path

import pytest

from devkit_core.errors import EntryPointError, LoaderMissing
from devkit_core.loading.loader import Entry, Fit, Loader
from devkit_core.model.manifest import parse
from devkit_core.running.factory import choose, entry_of, kind_of


def manifest(entry_point: str, more: str = ""):
    text = '[metadata]\nid = "one"\nname = "One"\nversion = "1.0.0"\ndescription = "d"\nauthor = "a"\n'
    text += f'entry_point = "{entry_point}"\n'
    return parse((text + more).encode()).manifest


class Fixed(Loader):
    def __init__(self, name: str, fit: Fit = Fit.NO, extensions: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.extensions = extensions
        self._fit = fit

    def probe(self, entry: Entry) -> Fit:
        return self._fit

    async def start(self, request):
        raise NotImplementedError


def entry(name: str = "plugin.x", head: bytes = b"", declared: str | None = None) -> Entry:
    return Entry(Path("/p") / name, os.path.splitext(name)[1].lower(), head, declared)


def test_the_entry_point_is_read(tmp_path):
    (tmp_path / "Plugin.PY").write_bytes(b"#!/usr/bin/env python3\n" + b"x" * 10_000)
    found = entry_of(tmp_path, manifest("Plugin.PY"))
    assert (found.extension, len(found.head)) == (".py", 4096)
    assert found.shebang == "/usr/bin/env python3"


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "link outside"])
def test_entry_points_that_are_none(tmp_path, kind):
    folder = tmp_path / "plugin"
    folder.mkdir()
    path = folder / "plugin.py"
    if kind == "missing":
        (folder / "plugins.py").write_text("")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        (tmp_path / "outside.py").write_text("")
        path.symlink_to(tmp_path / "outside.py")
    with pytest.raises(EntryPointError) as caught:
        entry_of(folder, manifest("plugin.py"))
    assert caught.value.code == ("entry-point-outside" if kind == "link outside" else "entry-point-missing")
    assert caught.value.place.path.endswith("plugin.toml")
    if kind == "missing":
        assert "plugins.py" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "built"), [("plugin.so", True), ("plugin.wasm", True), ("plugin.py", False)]
)
def test_what_has_to_be_built_first(tmp_path, name, built):
    (tmp_path / "Makefile").write_text("")
    with pytest.raises(EntryPointError) as caught:
        entry_of(tmp_path, manifest(name))
    assert (f"make -C {tmp_path}" in (caught.value.hint or "")) is built


def test_the_surest_loader_runs_it():
    loaders = [Fixed("b", Fit.EXTENSION), Fixed("a", Fit.EXTENSION), Fixed("m", Fit.MAGIC), Fixed("n")]
    assert choose(entry(), loaders).name == "m"
    assert choose(entry(), loaders[:2]).name == "a"
    assert choose(entry(), loaders, ["b"]).name == "b"
    assert choose(entry(), loaders, ["n", "absent", "a"]).name == "a"


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("p.py", b"", "python"), ("p.JS", b"", "node"), ("p.ts", b"", "node"), ("p.wasm", b"", "wasm"),
        ("p.so", b"", "native"), ("p", b"#!/usr/bin/env node\n", "node"),
        ("p", b"#!/usr/bin/python3\n", "python"),
        ("p", b"\0asm", "wasm"), ("p", b"\x7fELF", "native"),
    ],
)  # fmt: skip
def test_a_missing_loader_is_named(name, head, kind):
    found = entry(name, head)
    assert kind_of(name, None, found) == kind
    with pytest.raises(LoaderMissing) as caught:
        choose(found, [])
    assert caught.value.hint == f"pip install devkit-loader-{kind}"


@pytest.mark.parametrize(("name", "declared"), [("p.xyz", None), ("p", None), ("p.py", "cobol")])
def test_unknown_kinds(name, declared):
    with pytest.raises(EntryPointError) as caught:
        choose(entry(name, declared=declared), [Fixed("a", extensions=frozenset({".a"}))])
    assert caught.value.code == "entry-point-kind"
    assert ".a" in caught.value.hint
