"""What headers say, of real files and of any bytes."""

import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_loader_native.headers import exports, read

ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(46)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_not(data):
    read(data)
    exports(data)


@given(
    st.sampled_from([ELF, b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\x7fELF\x01\x02"]),
    st.binary(max_size=300),
)
def test_damaged_headers_are_read_or_not(magic, data):
    read(magic + data)
    exports(magic + data)


@given(changes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1))
def test_a_real_library_with_changed_bytes_never_raises(build, changes):
    library = bytearray(build("hostile.c").read_bytes())
    for place, value in changes:
        library[place % len(library)] = value
    read(bytes(library[:4096]))
    exports(bytes(library))


def test_exports_are_those_that_nm_shows(build):
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    library = build("hostile.c", "-DFREE")
    shown = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", library], capture_output=True, text=True, check=True
    ).stdout
    assert exports(library.read_bytes()) == {line.split()[0] for line in shown.splitlines()}
    assert {"create_plugin", "free_string", "plugin_shout"} <= exports(library.read_bytes())


def test_a_program_and_a_library(build):
    assert str(read(build("hostile.c").read_bytes()[:4096])).startswith("ELF")
    assert read(build("hostile.c").read_bytes()[:4096]).program is False
    with open(sys.executable, "rb") as file:
        header = read(file.read(4096))
    assert header is not None
    assert header.program or header.kind == "program"


def test_a_java_class_is_no_universal_library():
    assert read(b"\xca\xfe\xba\xbe\x00\x00\x00\x41" + bytes(64)) is None
    assert read(b"\xca\xfe\xba\xbe\x00\x00\x00\x02" + bytes(64)).machine == "any"
