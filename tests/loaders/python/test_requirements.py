"""What a plugin asks for: requirements, blocks of inline metadata, locks."""

import contextlib
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.api import LoadError, UsageError
from devkit_loader_python.requirements import normalised, read_lock, script_block

HERE = Path("/plugins/p/plugin.py")
HASH = "--hash=sha256:" + "0" * 64


def block(text: str) -> bytes:
    lines = "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
    return f'"""A plugin."""\n\n# /// script\n{lines}# ///\n\nimport json\n'.encode()


def test_a_set_has_one_spelling():
    assert normalised(["Black [D] >=24,<30", "black[d]<30,>=24", "Typing_Extensions"]) == (
        "black[d]<30,>=24",
        "typing-extensions",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a @ https://example.org/a.whl",
        "./here",
        "-e .",
        "--index-url=x",
        "a\n--no-binary=:all:",
        "",
        "a" * 501,
    ],
)
def test_nothing_leads_past_the_index(text):
    with pytest.raises(UsageError) as caught:
        normalised([text])
    assert caught.value.code == "python-requirement-invalid"


@given(st.text(max_size=60))
def test_a_requirement_is_read_or_refused(text):
    try:
        (once,) = normalised([text])
    except UsageError:
        return
    assert normalised([once]) == (once,)
    assert once.isprintable()


def test_a_block_is_read():
    source = block(
        'requires-python = ">=3.11"\ndependencies = [\n  "rich>13",\n  "black",\n]\n[tool.uv]\nx = 1'
    )
    assert script_block(source, HERE).dependencies == ("rich>13", "black")
    assert script_block(source.replace(b"\n", b"\r\n"), HERE).dependencies == ("rich>13", "black")


@pytest.mark.parametrize(
    "source", [b"", b"# /// script\n", b"# /// test\n# x = 1\n# ///\n", b"\xff# /// script"]
)
def test_a_file_without_a_block_asks_for_nothing(source):
    assert script_block(source, HERE).dependencies == ()


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        (block('dependencies = [\n"a",'), 5, "no TOML"),
        (block('x = 1\ndependencies = "black"'), 5, "array"),
        (block('dependencies = [\n  "ok",\n  "no @ https://e.org",\n]'), 6, "address"),
        (block('requires-python = "new"'), 4, "requires-python"),
        (block("requires-python = 3"), 4, "requires-python"),
        (block("") + block("x = 1") * 2, 16, "two blocks"),
        (block(f"dependencies = {['a'] * 101}"), 3, "101"),
    ],
)
def test_a_block_that_is_wrong_names_its_line(source, line, word):
    with pytest.raises(LoadError, match=word) as caught:
        script_block(source, HERE)
    assert caught.value.code == "python-block-invalid"
    assert (caught.value.place.path, caught.value.place.line) == (str(HERE), line)


def test_another_python_is_refused():
    with pytest.raises(LoadError, match=r"needs Python <3\.9") as caught:
        script_block(block('requires-python = "<3.9"'), HERE)
    assert caught.value.code == "python-version-unsuitable"
    assert caught.value.place.line == 4


@given(st.text(alphabet=string.printable, max_size=200))
def test_any_block_is_read_or_refused(text):
    with contextlib.suppress(LoadError):
        script_block(block(text), HERE)


def test_a_lock_has_one_form():
    text = f"# made\nB_b==2 \\\n    {HASH.replace('0', '1')} \\\n    {HASH}\na==1.0 {HASH}  # why\n"
    assert read_lock(text) == f"a==1.0 {HASH}\nb-b==2 {HASH} {HASH.replace('0', '1')}\n"
    assert read_lock(read_lock(text)) == read_lock(text)


@pytest.mark.parametrize(
    "text",
    [
        "a==1",
        f"a>=1 {HASH}",
        f"--index-url=x\na==1 {HASH}",
        f"a @ file:///x {HASH}",
        f"a==1 {HASH}\nA==2 {HASH}",
    ],
)
def test_a_lock_holds_versions_and_hashes_alone(text):
    with pytest.raises(ValueError, match=r"is no version|twice"):
        read_lock(text)
