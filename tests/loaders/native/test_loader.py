"""The loader: which files it takes, what check and doctor say, and its generated declarations."""

import subprocess
import sys
from pathlib import Path

import pytest

from devkit_core.api import Entry, Fit
from devkit_loader_native.loader import NativeLoader, checks

ROOT = Path(__file__).parents[3]
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(100)


def entry(name: str, head: bytes = b"", declared: str | None = None) -> Entry:
    path = Path("/x") / name
    return Entry(path, path.suffix.lower(), head, declared)


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        (entry("a.so"), Fit.EXTENSION),
        (entry("a.DLL"), Fit.EXTENSION),
        (entry("a.dylib"), Fit.EXTENSION),
        (entry("liba.so.1", ELF), Fit.MAGIC),
        (entry("a", ELF), Fit.MAGIC),
        (entry("a", b"MZ"), Fit.NO),
        (entry("a.py"), Fit.NO),
        (entry("a.bin", declared="native"), Fit.DECLARED),
        (entry("a.so", ELF, declared="python"), Fit.NO),
    ],
)
def test_what_it_takes(given, fit):
    assert NativeLoader().probe(given) is fit


def test_a_program_is_not_taken():
    head = Path(sys.executable).read_bytes()[:4096]
    assert NativeLoader().probe(entry("tool", head)) is Fit.NO


def test_check_loads_nothing_and_finds_what_is_wrong(build):
    loader = NativeLoader()

    def found(data: bytes) -> list[str]:
        return [problem.code for problem in loader.check(entry("a.so", data[:4096]), data)]

    good = build("hostile.c").read_bytes()
    assert found(good) == []
    assert found(build("int other;").read_bytes()) == ["library-symbol-missing"]
    assert found(b"text") == ["library-invalid"]
    assert found(
        good[:18] + b"\xb7\0" + good[20:] if good[18] == 62 else good[:18] + b"\x3e\0" + good[20:]
    ) == ["library-architecture"]


def test_doctor_names_cffi_and_a_compiler():
    findings = [finding for check in checks() for finding in check.run()]
    assert [finding.level for finding in findings] == ["ok", "info"]
    assert findings[0].message.startswith("cffi ")
    assert "compiler" in findings[1].message


def test_doctor_without_a_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    findings = [finding for check in checks() for finding in check.run()]
    assert (findings[1].level, "no C compiler" in findings[1].message) == ("info", True)


async def test_without_cffi_the_error_says_what_to_install(project, build, monkeypatch):
    from devkit_core.errors import LoadError

    monkeypatch.setattr("devkit_loader_native.loader._bridge", lambda: None)
    with pytest.raises(LoadError) as caught:
        await project.load(build("hostile.c"))
    assert (caught.value.code, caught.value.hint) == ("runtime-missing", "pip install cffi")


def test_the_declarations_are_the_generators():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate_native_interface.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_registering_imports_no_cffi():
    program = (
        "import sys, devkit_loader_native.hooks as hooks\n"
        "hooks.devkit_register_loaders()\n"
        "assert not {'cffi', '_cffi_backend', 'pycparser'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
