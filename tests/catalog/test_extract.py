"""The extractor: takes what tar, zip and git write, refuses every hostile archive whole."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devkit_core.catalog.extract import extract
from devkit_core.catalog.names import Bounds, Names
from devkit_core.catalog.trees import Tree
from devkit_core.errors import ArchiveRefused, IntegrityError

MANIFEST = b"[metadata]\n"
SMALL = Bounds(
    archive=1 << 16, unpacked=1 << 15, ratio=100, ratio_floor=1 << 12, entries=20, depth=4, path=40
)


def info(name: str, size: int = 0, **more: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    for key, value in more.items():
        setattr(entry, key, value)
    return entry


def blocks(name: str, data: bytes = b"", **more: object) -> bytes:
    """One tar entry as bytes; `name` is in the header as it is."""
    header = info(name, len(data), **more).tobuf(tarfile.USTAR_FORMAT)
    return header + data + bytes(-len(data) % 512)


def tar(*entries: bytes, end: bytes = bytes(1024)) -> bytes:
    return gzip.compress(b"".join([blocks("plugin.toml", MANIFEST), *entries]) + end, mtime=0)


def patched(header: bytes, at: int, field: bytes) -> bytes:
    """A tar header with other bytes in one field, and its checksum made right again."""
    block = bytearray(header[:512])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


def pax(content: bytes, kind: bytes = b"x") -> bytes:
    return blocks("pax", content, type=kind)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def zipped(entries: list[tuple[str | zipfile.ZipInfo, bytes]], **more: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **more) as file:  # type: ignore[call-overload]
        for name, data in [("plugin.toml", MANIFEST), *entries]:
            file.writestr(name, data)
    return out.getvalue()


def attributes(name: str, mode: int, system: int = 3, low: int = 0) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = system
    entry.external_attr = mode << 16 | low
    return entry


def replaced(data: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


def central(data: bytes) -> int:
    return data.index(b"PK\1\2")


def put(data: bytes, at: int, form: str, *values: int) -> bytes:
    packed = struct.pack(form, *values)
    return data[:at] + packed + data[at + len(packed) :]


def unpack(path: Path, data: bytes, name: str = "it.tar.gz", bounds: Bounds = SMALL) -> tuple[Path, Tree]:
    file = path / "archive"
    file.write_bytes(data)
    folder = path / "folder"
    folder.mkdir()
    with open(file, "rb") as stream:
        return extract(stream, name, folder, bounds=bounds)


GOOD = zipped([("a.py", b"x" * 10)])
DEFLATED = zipped([("a.py", b"x" * 1000)], compression=zipfile.ZIP_DEFLATED)
HOSTILE: dict[str, tuple[str, bytes]] = {
    # names
    "tar: parent": ("archive-name", tar(blocks("../a"))),
    "tar: parent inside": ("archive-name", tar(blocks("a/../../b"))),
    "tar: absolute": ("archive-name", tar(patched(blocks("etc"), 0, b"/etc/passwd\0"))),
    "tar: backslash": ("archive-name", tar(blocks("a\\b"))),
    "tar: drive": ("archive-name", tar(blocks("c:a"))),
    "tar: control": ("archive-name", tar(blocks("a\x1bb"))),
    "tar: newline": ("archive-name", tar(blocks("a\nb"))),
    "tar: device name": ("archive-name", tar(blocks("aux.txt"))),
    "tar: trailing dot": ("archive-name", tar(blocks("a."))),
    "tar: trailing space": ("archive-name", tar(blocks("a "))),
    "tar: empty part": ("archive-name", tar(blocks("a//b"))),
    "tar: dot part": ("archive-name", tar(blocks("a/./b"))),
    "tar: twice the dot": ("archive-name", tar(blocks("././b"))),
    "tar: not UTF-8": ("archive-name", tar(patched(blocks("a"), 0, b"a\xff\0"))),
    "tar: decomposed": ("archive-name", tar(blocks("u\u0308"))),
    "tar: bidi": ("archive-name", tar(pax(record("path", "a\u202eb")) + blocks("a"))),
    "tar: long path": ("archive-name", tar(blocks("a" * 41))),
    "tar: deep": ("archive-name", tar(blocks("a/b/c/d/e"))),
    "zip: parent": ("archive-name", zipped([("../a", b"")])),
    "zip: absolute": ("archive-name", zipped([("/a", b"")])),
    "zip: backslash": ("archive-name", zipped([("a\\b", b"")])),
    "zip: device name": ("archive-name", zipped([("COM1", b"")])),
    # links and special files
    "tar: symbolic link": ("archive-special", tar(blocks("a", type=b"2", linkname="/etc"))),
    "tar: hard link": ("archive-special", tar(blocks("a", type=b"1", linkname="plugin.toml"))),
    "tar: fifo": ("archive-special", tar(blocks("a", type=b"6"))),
    "tar: character device": ("archive-special", tar(blocks("a", type=b"3"))),
    "tar: block device": ("archive-special", tar(blocks("a", type=b"4"))),
    "tar: sparse": ("archive-special", tar(blocks("a", type=b"S"))),
    "tar: contiguous": ("archive-special", tar(blocks("a", type=b"7"))),
    "tar: long link": ("archive-special", tar(blocks("a", b"x\0", type=b"K"))),
    "tar: unknown type": ("archive-special", tar(blocks("a", type=b"Z"))),
    "zip: symbolic link": ("archive-special", zipped([(attributes("a", stat.S_IFLNK | 0o777), b"/etc")])),
    "zip: fifo": ("archive-special", zipped([(attributes("a", stat.S_IFIFO), b"")])),
    # twice, or told two ways
    "tar: twice": ("archive-ambiguous", tar(blocks("a"), blocks("a"))),
    "tar: twice by the dot": ("archive-ambiguous", tar(blocks("a"), blocks("./a"))),
    "tar: upper case": ("archive-ambiguous", tar(blocks("a"), blocks("A"))),
    "tar: folder's upper case": ("archive-ambiguous", tar(blocks("a/x"), blocks("A/y"))),
    "tar: sharp s": ("archive-ambiguous", tar(blocks("ß"), blocks("ss"))),
    "tar: ligature": ("archive-ambiguous", tar(blocks("ﬁ"), blocks("fi"))),
    "tar: file then folder": ("archive-ambiguous", tar(blocks("a"), blocks("a/b"))),
    "tar: folder then file": ("archive-ambiguous", tar(blocks("a/b"), blocks("a"))),
    "tar: folder entry and file": ("archive-ambiguous", tar(blocks("a/", type=b"5"), blocks("a"))),
    "tar: folder with content": ("archive-ambiguous", tar(blocks("a/", b"x", type=b"5"))),
    "tar: file named as folder": ("archive-ambiguous", tar(patched(blocks("a"), 0, b"a/\0"))),
    "tar: something behind the name": ("archive-ambiguous", tar(patched(blocks("a"), 0, b"a\0b"))),
    "tar: file with a target": ("archive-ambiguous", tar(blocks("a", linkname="b"))),
    "tar: size in binary": ("archive-ambiguous", tar(patched(blocks("a"), 124, b"\x80" + bytes(11)))),
    "tar: negative size": ("archive-ambiguous", tar(patched(blocks("a"), 124, b"\xff" * 12))),
    "tar: minus sign": ("archive-ambiguous", tar(patched(blocks("a"), 124, b"-0000000001\0"))),
    "tar: padding": ("archive-ambiguous", tar(blocks("a", b"x")[:-1] + b"y")),
    "tar: one zero block": ("archive-ambiguous", tar(bytes(512), blocks("a"))),
    "tar: trailing data": ("archive-ambiguous", tar(end=bytes(1024) + blocks("a"))),
    "tar: pax size": ("archive-ambiguous", tar(pax(record("size", "9")) + blocks("a"))),
    "tar: pax link": ("archive-ambiguous", tar(pax(record("linkpath", "b")) + blocks("a"))),
    "tar: pax sparse": ("archive-ambiguous", tar(pax(record("GNU.sparse.major", "1")) + blocks("a"))),
    "tar: pax charset": ("archive-ambiguous", tar(pax(record("hdrcharset", "BINARY")) + blocks("a"))),
    "tar: pax twice": ("archive-ambiguous", tar(pax(record("path", "b") * 2) + blocks("a"))),
    "tar: pax NUL": ("archive-ambiguous", tar(pax(record("path", "b\0c")) + blocks("a"))),
    "tar: two pax": ("archive-ambiguous", tar(pax(record("path", "b")) * 2 + blocks("a"))),
    "tar: pax for nobody": ("archive-ambiguous", tar(pax(record("path", "b")))),
    "tar: pax for all, late": ("archive-ambiguous", tar(pax(record("comment", "b"), b"g"))),
    "tar: long name and pax": (
        "archive-ambiguous",
        tar(blocks("l", b"b\0", type=b"L") + pax(record("path", "c")) + blocks("a")),
    ),
    "gzip: two members": ("archive-ambiguous", tar() + gzip.compress(b"x")),
    "gzip: trailing data": ("archive-ambiguous", tar() + b"x"),
    "zip: twice": ("archive-ambiguous", replaced(zipped([("a", b""), ("b", b"")]), b"b", b"a", 2)),
    "zip: upper case": ("archive-ambiguous", zipped([("a", b""), ("A", b"")])),
    "zip: other local name": ("archive-ambiguous", replaced(GOOD, b"a.py", b"b.py")),
    "zip: other local method": ("archive-ambiguous", put(DEFLATED, DEFLATED.index(b"a.py") - 22, "<H", 0)),
    "zip: other local size": ("archive-ambiguous", put(GOOD, GOOD.index(b"a.py") - 12, "<L", 9)),
    "zip: leading data": ("archive-ambiguous", b"PK" + GOOD),
    "zip: data before the directory": (
        "archive-ambiguous",
        GOOD[: central(GOOD)] + b"x" + GOOD[central(GOOD) :],
    ),
    "zip: two end records": ("archive-ambiguous", GOOD + GOOD[-22:]),
    "zip: trailing data": ("archive-damaged", GOOD + b"x"),
    "zip: end record in the comment": (
        "archive-ambiguous",
        GOOD[:-2] + struct.pack("<H", 22) + GOOD[-22:-2] + b"\0\0",
    ),
    "zip: zip64 end": ("archive-ambiguous", put(GOOD, len(GOOD) - 12, "<H", 0xFFFF)),
    "zip: zip64 size": ("archive-ambiguous", put(GOOD, len(GOOD) - 10, "<L", 0xFFFFFFFF)),
    "zip: fewer entries told": ("archive-ambiguous", put(GOOD, len(GOOD) - 14, "<2H", 1, 1)),
    "zip: parts": ("archive-ambiguous", put(GOOD, len(GOOD) - 18, "<H", 1)),
    "zip: folder by attribute": ("archive-ambiguous", zipped([(attributes("a", 0, 0, 0x10), b"")])),
    "zip: folder by mode": ("archive-ambiguous", zipped([(attributes("a", stat.S_IFDIR | 0o755), b"")])),
    "zip: folder with content": ("archive-ambiguous", zipped([("a/", b"x")])),
    "zip: name of no charset": (
        "archive-ambiguous",
        replaced(replaced(GOOD, b"a.py", b"\xff.py"), b"a.py", b"\xff.py"),
    ),
    # damaged
    "tar: checksum": ("archive-damaged", tar(b"b" + blocks("a")[1:])),
    "tar: no end": ("archive-damaged", tar(end=b"")),
    "tar: cut short": ("archive-damaged", tar()[:-9]),
    "tar: inside cut short": ("archive-damaged", tar(blocks("a", b"x" * 600)[:600], end=b"")),
    "tar: pax length": ("archive-damaged", tar(pax(b"99 path=b\n") + blocks("a"))),
    "tar: pax zero": ("archive-damaged", tar(pax(b"0 path=b\n") + blocks("a"))),
    "gzip: checksum": ("archive-damaged", tar()[:-8] + b"xxxx" + tar()[-4:]),
    "zip: checksum": ("archive-damaged", replaced(GOOD, b"xxxxxxxxxx", b"xxxxxxxxxy")),
    "zip: cut short": ("archive-damaged", GOOD[:-1]),
    "zip: stream": ("archive-damaged", put(DEFLATED, DEFLATED.index(b"a.py") + 4, "<B", 0xFF)),
    # other formats and ways
    "nothing": ("archive-unknown", b""),
    "text": ("archive-unknown", b"hello"),
    "tar: not ustar": ("archive-unknown", tar(patched(blocks("a"), 257, bytes(8)))),
    "zip: bzip2": ("archive-unknown", zipped([("a", b"x")], compression=zipfile.ZIP_BZIP2)),
    "zip: encrypted": (
        "archive-special",
        put(put(GOOD, central(GOOD) + 8, "<H", 1), 6, "<H", 1),
    ),
    "zip: patched data": ("archive-unknown", put(put(GOOD, central(GOOD) + 8, "<H", 32), 6, "<H", 32)),
    # bounds
    "tar: unpacked": ("archive-too-large", tar(*(blocks(f"{n}", os.urandom(9000)) for n in range(4)))),
    "tar: claimed size": ("archive-too-large", tar(blocks("a", b"x" * 70_000)[:512])),
    "tar: ratio": ("archive-too-large", tar(blocks("a", bytes(30_000)))),
    "tar: entries": ("archive-too-large", tar(*(blocks(f"{n}") for n in range(20)))),
    "tar: two pax without a name": ("archive-ambiguous", tar(pax(record("mtime", "1")) * 2 + blocks("a"))),
    "tar: large pax header": ("archive-too-large", tar(patched(pax(b""), 124, b"00000300000\0"))),
    "zip: ratio": ("archive-too-large", zipped([("a", bytes(30_000))], compression=zipfile.ZIP_DEFLATED)),
    "zip: entries": ("archive-too-large", zipped([(f"{n}", b"") for n in range(20)])),
    "zip: unpacked": ("archive-too-large", zipped([(f"{n}", os.urandom(9000)) for n in range(4)])),
    "packed": ("archive-too-large", tar(blocks("a", os.urandom(70_000)))),
    # no plugin
    "tar: two roots": (
        "archive-no-plugin",
        gzip.compress(blocks("a/plugin.toml", MANIFEST) + blocks("b/plugin.toml", MANIFEST) + bytes(1024)),
    ),
    "tar: empty": ("archive-no-plugin", gzip.compress(bytes(1024))),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused(case: str, tmp_path: Path) -> None:
    code, data = HOSTILE[case]
    with pytest.raises(ArchiveRefused) as caught:
        unpack(tmp_path, data)
    assert caught.value.code == code, caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.path == "it.tar.gz"
    assert code != "archive-no-plugin" or caught.value.message.startswith("it.tar.gz has no plugin.toml")
    # nothing left the folder, whatever came before the refusal
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "folder"]
    assert all(not path.is_symlink() for path in tmp_path.rglob("*"))


def test_every_writer_gives_the_same_tree(tmp_path: Path) -> None:
    source = tmp_path / "one"
    (source / "inner").mkdir(parents=True)
    (source / "plugin.toml").write_bytes(MANIFEST)
    (source / "inner" / ("long-" * 30 + "ü.txt")).write_text("x")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o700)
    made: dict[str, Path] = {}

    def sh(name: str, *command: str, cwd: Path = tmp_path) -> None:
        made[name] = tmp_path / name
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(command, cwd=cwd, check=True, env=environ, capture_output=True)

    sh("flat.tgz", "tar", "-czf", "../flat.tgz", ".", cwd=source)
    sh("gnu.tar.gz", "tar", "--format=gnu", "-czf", "gnu.tar.gz", "one")
    sh("ustar.tar.gz", "tar", "--format=pax", "-czf", "ustar.tar.gz", "one")
    for style in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        made[f"python-{style}.tgz"] = tmp_path / f"python-{style}.tgz"
        with tarfile.open(made[f"python-{style}.tgz"], "w:gz", format=style) as file:
            file.add(source, "one")
    made["python.zip"] = tmp_path / "python.zip"
    with zipfile.ZipFile(made["python.zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            archive.write(path, f"one/{path.relative_to(source)}")
    sh("init", "git", "init", "-q", ".", cwd=source)
    sh("add", "git", "add", ".", cwd=source)
    sh("commit", "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", cwd=source)
    for name in ("git.tar.gz", "git.zip"):
        sh(name, "git", "archive", "--prefix=one/", "-o", f"../{name}", "HEAD", cwd=source)
    for name in ("init", "add", "commit"):
        del made[name]

    trees = {}
    for name, file in made.items():
        folder = tmp_path / f"out-{name}"
        folder.mkdir()
        with open(file, "rb") as stream:
            root, tree = extract(stream, name, folder)
        trees[name] = tree.digest
        assert (root / "run.sh").stat().st_mode & 0o7777 == 0o755
        assert (root / "plugin.toml").stat().st_mode & 0o7777 == 0o644
    assert len(set(trees.values())) == 1, trees


def test_sizes_behind_the_data_are_read(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("plugin.toml", MANIFEST)
        file.writestr("a.py", b"x" * 100)
    data = out.getvalue()
    _, tree = unpack(tmp_path, data)
    assert list(tree.files) == ["a.py", "plugin.toml"]
    at = data.rindex(b"PK\7\x08")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ArchiveRefused, match="behind its data"):
        unpack(other, put(data, at + 12, "<L", 99))


def test_set_user_id_and_all_else_of_a_mode_goes(tmp_path: Path) -> None:
    root, _ = unpack(tmp_path, tar(blocks("a", b"x", mode=0o6777), blocks("b", b"x", mode=0o002)))
    assert (root / "a").stat().st_mode & 0o7777 == 0o755
    assert (root / "b").stat().st_mode & 0o7777 == 0o644


def test_a_dkp_needs_its_list_and_others_are_held_against_theirs(tmp_path: Path) -> None:
    for number, (name, listing, code) in enumerate(
        [
            ("it.dkp", None, "package-listing"),
            ("it.tgz", b"{}", "package-listing"),
            ("it.tgz", b'{"format":2,"files":{}}', "package-listing"),
            ("it.tgz", b'{"format":1,"files":{}}', "package-modified"),
            ("it.tgz", b'{"format":1,"files":{"a":{},"a":{}}}', "package-listing"),
        ]
    ):
        room = tmp_path / str(number)
        room.mkdir()
        entries = [] if listing is None else [blocks("FILES.json", listing)]
        with pytest.raises(IntegrityError) as caught:
            unpack(room, tar(*entries), name)
        assert caught.value.code == code


PLAIN = st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.lists(PLAIN, min_size=1, max_size=3).map("/".join), st.binary(max_size=1500), max_size=6
    ),
    form=st.sampled_from(["tar", "zip"]),
)
def test_what_is_packed_comes_out_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], form: str
) -> None:
    files = {**files, "plugin.toml": MANIFEST}
    out = io.BytesIO()
    if form == "tar":
        with tarfile.open(fileobj=out, mode="w:gz") as file:
            for name, data in files.items():
                file.addfile(info(name, len(data)), io.BytesIO(data))
    else:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    try:
        root, tree = unpack(tmp_path_factory.mktemp("x"), out.getvalue(), bounds=Bounds())
    except ArchiveRefused as error:
        assert error.code in ("archive-name", "archive-ambiguous")  # noqa: PT017
        return
    assert {name: (root / name).read_bytes() for name in tree.files} == files


TARRED = gzip.decompress(tar(blocks("a/b.py", b"x" * 700), pax(record("path", "c")), blocks("d")))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(
        [gzip.decompress(tar(blocks("a/b.py", b"x" * 700), pax(record("path", "c")), blocks("d"))), DEFLATED]
    ),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
)
@example(seed=DEFLATED, changes=[(0, 0)])
def test_changed_bytes_give_a_tree_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(seed)
    for at, value in changes:
        data[at % len(data)] = value
    packed = bytes(data) if seed is DEFLATED else gzip.compress(bytes(data))
    room = tmp_path_factory.mktemp("x")
    with suppress(IntegrityError):
        unpack(room, packed, bounds=Bounds(ratio_floor=1 << 16))
    assert sorted(path.name for path in room.iterdir()) == ["archive", "folder"]


@given(st.text(max_size=300))
@example("CON")
@example("a" * 256)
def test_any_name_is_taken_or_refused(name: str) -> None:
    try:
        parts = Names(Bounds()).add(name)
    except ArchiveRefused as error:
        assert error.code == "archive-name"  # noqa: PT017
        return
    assert "/".join(parts) == name
    assert not {".", "..", ""} & set(parts)
    assert name.isprintable()


def test_bounds_of_the_real_thing() -> None:
    real = Bounds()
    assert (real.unpacked, real.ratio, real.entries) == (100 << 20, 100, 10_000)
    assert (real.depth, real.path) == (32, 255)
    assert real.archive == 100 << 20


def test_a_bomb_costs_no_more_than_its_bound(tmp_path: Path) -> None:
    bomb = gzip.compress(
        blocks("plugin.toml", MANIFEST) + info("a", 90 << 20).tobuf(tarfile.GNU_FORMAT) + bytes(20 << 20)
    )
    with pytest.raises(ArchiveRefused) as caught:
        unpack(tmp_path, bomb, bounds=Bounds())
    assert caught.value.code == "archive-too-large"
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 2 << 20
