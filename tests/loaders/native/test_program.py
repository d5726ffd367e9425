"""A native plugin in a worker: what it may do wrong, and what it costs."""

import asyncio
import signal
import subprocess

import pytest

from devkit_core.errors import (
    DevKitError,
    ExecutionError,
    InitializeFailed,
    LoadError,
    PayloadTooLarge,
    PluginRaised,
    WorkerCrashed,
)

SHOUT = """
[functions.shout]
description = "Shouts"
"""


def hostile(how: str) -> str:
    return f'\n[runtime.env]\nHOSTILE = "{how}"\n'


async def refused(project, library, more="", **where) -> DevKitError:
    with pytest.raises(LoadError) as caught:
        await project.load(library, more, **where)
    assert project.manager.get_plugin("subject") is None
    return caught.value


# -- calls that end the worker


@pytest.mark.parametrize(
    ("input", "number"),
    [
        ("segfault", signal.SIGSEGV),
        ("abort", signal.SIGABRT),
        ("overflow", signal.SIGSEGV),
        ("trap", signal.SIGFPE),
        ("thread", signal.SIGSEGV),
    ],
)
async def test_a_crash_names_its_signal_and_the_next_call_is_answered(project, build, input, number):
    handle = await project.load(build("hostile.c"))
    with pytest.raises(WorkerCrashed, match=number.name) as caught:
        await handle.execute(input)
    assert (caught.value.signal, caught.value.code) == (number, "worker-crashed")
    assert await handle.execute("fresh", timeout=20) == "fresh"


@pytest.mark.parametrize(("input", "status"), [("exit", 0), ("_exit", 5)])
async def test_an_exit_is_a_crash(project, build, input, status):
    handle = await project.load(build("hostile.c"))
    with pytest.raises(WorkerCrashed) as caught:
        await handle.execute(input)
    assert (caught.value.signal, caught.value.status) == (None, status)
    assert await handle.execute("fresh", timeout=20) == "fresh"


async def test_what_was_printed_before_a_crash_is_in_the_log(project, build):
    handle = await project.load(build("hostile.c"))
    with pytest.raises(WorkerCrashed):
        await handle.execute("segfault")
    assert "about to crash" in project.logged()


CPP = """
#include <iostream>
#include <stdexcept>
#include <string>
#include <cstring>
extern "C" {
#include "plugin.h"
static const char *id() { return "subject"; }
static const char *version() { return "1.0.0"; }
static int nothing() { return 0; }
static char *execute(const char *input) {
    if (std::string(input) == "throw") throw std::runtime_error("nobody catches this");
    std::cout << "from C++" << std::endl;
    return strdup((std::string("++") + input).c_str());
}
PluginInterface *create_plugin() {
    static PluginInterface table = {id, id, version, nothing, execute, nothing};
    return &table;
}
}
"""


async def test_cpp_runs_and_an_exception_that_leaves_it_is_a_crash(project, build):
    handle = await project.load(build(CPP, cpp=True))
    assert await handle.execute("x") == "++x"
    with pytest.raises(WorkerCrashed, match="SIGABRT"):
        await handle.execute("throw")
    assert await handle.execute("y", timeout=20) == "++y"
    assert "from C++" in project.logged()
    assert any("nobody catches this" in line for line in project.logged())


# -- a library that loads, and isn't right


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("null table", "interface-broken", "create_plugin of plugin.so returned NULL"),
        ("null members", "interface-broken", "NULL for execute, shutdown"),
        ("name null", "interface-broken", "name() of plugin.so returned NULL"),
        ("name not text", "interface-broken", "name() of plugin.so returned no UTF-8"),
        ("other id", "plugin-id-mismatch", "is `somebody-else`, and the manifest says `subject`"),
        ("initialize fails", "initialize-failed", "initialize of `subject` failed: it returned 7"),
        ("wild table", "load-failed", "SIGSEGV"),
        ("crash in constructor", "load-failed", "SIGSEGV"),
        ("crash in create_plugin", "load-failed", "SIGSEGV"),
        ("exit in create_plugin", "load-failed", "status 0"),
        ("crash in initialize", "initialize-failed", "SIGSEGV"),
    ],
)
async def test_a_wrong_interface_is_refused(project, build, how, code, text):
    error = await refused(project, build("hostile.c"), hostile(how))
    assert error.code == code
    assert text in error.message
    assert isinstance(error, InitializeFailed) == (code == "initialize-failed")


async def test_another_version_is_a_line_in_the_log(project, build):
    handle = await project.load(build("hostile.c"), hostile("other version"))
    assert await handle.execute("on") == "on"
    await asyncio.sleep(0.1)
    assert "version() of plugin.so is 9.9.9, and the manifest says 1.0.0" in project.logged()


@pytest.mark.parametrize(
    ("how", "text"),
    [("shutdown fails", "shutdown returned 9"), ("crash in shutdown", "[shutdown: the worker ended]")],
)
async def test_a_shutdown_that_goes_wrong_is_a_line_in_the_log(project, build, how, text):
    await project.load(build("hostile.c"), hostile(how))
    await project.manager.unload("subject")
    assert any(text in line for line in project.logged())


# -- files that can't be loaded

MINIMAL = """
#include "plugin.h"
static const char *id(void) { return "subject"; }
static const char *version(void) { return "1.0.0"; }
static int nothing(void) { return 0; }
static char *execute(const char *input) { return EXPRESSION; }
PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, id, version, nothing, execute, nothing };
    return &table;
}
"""


def minimal(expression: str, before: str = "") -> str:
    return before + MINIMAL.replace("EXPRESSION", expression)


async def test_no_create_plugin(project, build):
    error = await refused(project, build("int other;"))
    assert error.code == "library-symbol-missing"
    assert 'extern "C"' in error.hint


async def test_an_undefined_symbol(project, build):
    error = await refused(project, build(minimal("missing_function()", "char *missing_function(void);")))
    assert error.code == "library-unloadable"
    assert "undefined symbol: missing_function" in error.message
    assert "-l option" in error.hint


async def test_a_library_that_is_not_there(project, build):
    dependency = build("int other(void) { return 1; }", "-Wl,-soname,libnowhere.so.7")
    source = minimal('other() ? "" : NULL', "int other(void);")
    error = await refused(project, build(source, str(dependency)))
    assert error.code == "library-unloadable"
    assert "libnowhere.so.7: cannot open shared object file" in error.message


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


async def test_files_that_are_no_library_of_this_machine(project, build):
    good = build("hostile.c").read_bytes()
    for data, code, text in [
        (b"", "library-invalid", "an empty file"),
        (b"GROUP ( /lib/libc.so.6 )", "library-invalid", "no shared library"),
        (good[:40], "library-invalid", "no shared library"),
        (good[: len(good) // 2], "library-invalid", "cut off"),
        (build("int x;", kind="-c").read_bytes(), "library-invalid", "an object file"),
        (build("int main(void) { return 0; }", kind="-pie").read_bytes(), "library-invalid", "a program"),
        (patched(good, 18, b"\xf3\0"), "library-architecture", "RISC-V"),
        (patched(good, 4, b"\1"), "library-architecture", "32-bit"),
        (
            b"\xcf\xfa\xed\xfe\x0c\0\0\1" + bytes(4) + b"\6" + bytes(50),
            "library-architecture",
            "Mach-O aarch64",
        ),
        (
            patched(patched(b"MZ" + bytes(200), 60, b"\x80"), 128, b"PE\0\0\x64\x86" + bytes(16) + b"\0\x20"),
            "library-architecture",
            "PE x86-64 64-bit library",
        ),
    ]:
        error = await refused(project, data)
        assert error.code == code
        assert text in error.message
        assert error.place.path.endswith("plugin.so")
        assert error.hint


@pytest.mark.parametrize("entry", ["plugin.dll", "plugin.dylib", "libplugin.so.1.2"])
async def test_other_names_of_libraries(project, build, entry):
    handle = await project.load(build("hostile.c"), entry=entry)
    assert await handle.execute("on") == "on"


# -- answers and whose memory they are


async def test_answers_that_are_none(project, build):
    handle = await project.load(build("hostile.c"))
    for input, code in [("null", "result-null"), ("latin", "result-not-text"), ("a\0b", "input-has-nul")]:
        with pytest.raises(ExecutionError) as caught:
            await handle.execute(input)
        assert caught.value.code == code
        assert caught.value.hint
    assert await handle.execute("on") == "on"


async def test_without_free_string_nothing_is_freed(project, build):
    handle = await project.load(build("hostile.c"))
    pid = handle.pid
    for _ in range(20):
        assert await handle.execute("static") == "a string that nobody allocated"
        assert await handle.execute("x" * 1000) == "x" * 1000
    assert handle.pid == pid


async def test_with_free_string_each_answer_is_freed_once(project, build):
    handle = await project.load(build("hostile.c", "-DFREE"), SHOUT)
    for _ in range(5):
        await handle.execute("x")
    assert await handle.call("shout", '"x"') == '"x"!'
    assert await handle.execute("freed") == "6"


async def test_a_dependencys_export_is_not_the_plugins(project, build):
    """A library that it links with may have a `free_string` or `last_error` of its own."""
    dependency = build(
        "#include <stdlib.h>\nint one;\n"
        "void free_string(char *s) { abort(); }\nchar *last_error(void) { abort(); }",
        "-Wl,-soname,libother.so",
    )
    source = minimal('one || input[0] == 0 ? NULL : "fine"', "extern int one;")
    library = build(source, str(dependency), "-Wl,-rpath,$ORIGIN/deep")
    (project.folder / "deep").mkdir(parents=True)
    (project.folder / "deep" / "libother.so").write_bytes(dependency.read_bytes())
    handle = await project.load(library)
    assert await handle.execute("x") == "fine"
    with pytest.raises(ExecutionError) as caught:
        await handle.execute("")
    assert caught.value.code == "result-null"


async def test_last_error_is_the_message(project, build):
    source = minimal("NULL") + 'const char *last_error(void) { return "the disk is \\xff full"; }'
    handle = await project.load(build(source))
    with pytest.raises(PluginRaised, match="the disk is � full") as caught:
        await handle.execute("x")
    assert caught.value.code == "plugin-raised"


async def test_bytes_go_in_and_out(project, build):
    source = minimal("NULL") + (
        "char *execute_bytes(const char *input, size_t size, size_t *result) "
        "{ *result = size; return (char *)input; }"
    )
    handle = await project.load(build(source))
    assert await handle.execute("ż\0ó") == "ż\0ó"
    assert await handle.execute(b"\xff\0") == b"\xff\0"
    assert await handle.execute(b"abc") == b"abc"
    assert await handle.execute("") == ""


async def test_a_size_that_can_not_be(project, build):
    source = minimal("NULL") + (
        "char *execute_bytes(const char *input, size_t size, size_t *result) "
        "{ *result = -1; return (char *)input; }"
    )
    handle = await project.load(build(source))
    with pytest.raises(PayloadTooLarge, match="18,446,744,073,709,551,615 bytes"):
        await handle.execute("x")


async def test_functions_of_the_manifest(project, build):
    handle = await project.load(build("hostile.c"), SHOUT)
    assert await handle.call("shout", '"hey"') == '"hey"!'
    error = await _without(project, build)
    assert error.code == "entry-function-missing"
    assert "plugin_whisper" in error.message


async def _without(project, build) -> DevKitError:
    project.write(build("hostile.c"), SHOUT.replace("shout", "whisper"))
    with pytest.raises(LoadError) as caught:
        await project.manager.reload("subject")
    return caught.value


async def test_what_is_printed_without_a_line_break_arrives(project, build):
    handle = await project.load(build("hostile.c"))
    assert await handle.execute("partial") == "printed"
    await project.manager.unload("subject")
    assert "no line break" in project.logged()


# -- reload


async def test_a_library_that_is_overwritten_harms_no_call(project, build):
    old, new = build(minimal('"old"')), build(minimal('"new"'))
    handle = await project.load(old)
    file = project.folder / "plugin.so"
    with file.open("r+b") as opened:  # in place, as `cp` does: a mapped file would change under the worker
        opened.write(bytes(file.stat().st_size))
    assert await handle.execute("x") == "old"
    file.write_bytes(new.read_bytes())
    await project.manager.reload("subject")
    assert await handle.execute("x") == "new"


async def test_libraries_beside_it_are_found_and_the_copy_is_private(project, build):
    dependency = build('const char *beside(void) { return "beside"; }', "-Wl,-soname,libbeside.so")
    library = build(
        minimal("(char *)beside()", "const char *beside(void);"), str(dependency), "-Wl,-rpath,$ORIGIN/../lib"
    )
    (project.folder / "lib").mkdir(parents=True)
    (project.folder / "lib" / "libbeside.so").write_bytes(dependency.read_bytes())
    handle = await project.load(library, entry="build/plugin.so")
    assert await handle.execute("x") == "beside"
    maps = subprocess.run(["cat", f"/proc/{handle.pid}/maps"], capture_output=True, text=True).stdout
    assert str(project.folder / "build") not in maps


async def test_a_library_that_has_no_room_for_its_copy(project, build):
    error = await refused(
        project,
        build(minimal('"x"'), "-Wl,--build-id=none").read_bytes() + bytes(2 << 20),
        "\n[runtime.limits]\nmax_disk_usage_mb = 1\n",
    )
    assert error.code == "library-unloadable"
    assert "max_disk_usage_mb" in error.hint
