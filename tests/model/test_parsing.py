"""Bytes that are no manifest: each refused with one typed error, fast, before tomllib could suffer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ManifestError
from devkit_core.model.manifest import parse
from devkit_core.model.parsing import MAX_BYTES, read_toml


def refusal(data: bytes) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read_toml(data, "p/plugin.toml")
    error = caught.value
    assert len(error.problems) == 1
    assert error.message.isprintable()
    assert error.place is not None
    assert error.place.path == "p/plugin.toml"
    return error


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"\xff", "manifest-encoding", (1, 1)),
        (b'a = 1\n\xc3\xa9b = "\xe9"\n', "manifest-encoding", (2, 7)),
        ("a = 1".encode("utf-16"), "manifest-encoding", (1, 1)),
        (b"a = ", "manifest-syntax", (1, 4)),
        (b"[metadata", "manifest-syntax", (1, 10)),
        (b"a = 1\nb = yes\n", "manifest-syntax", (2, 5)),
        (b"a = 1\r\na = 2\r\n", "manifest-syntax", (2, 6)),
        (b"[a]\n[a]\n", "manifest-syntax", (2, 3)),
        (b'a = "\x00"', "manifest-syntax", (1, 6)),
        (b"\x00", "manifest-syntax", (1, 1)),
        (b'a = "\\x"', "manifest-syntax", (1, 8)),
        (b'a = "never closed', "manifest-syntax", None),
        (b"a = 1 b = 2", "manifest-syntax", (1, 7)),
        (b"a = 1979-02-30", "manifest-syntax", (1, 5)),
        (b"a = 'x'\r b = 1", "manifest-syntax", None),
        (b"\xef\xbb\xbf\xef\xbb\xbfa = 1", "manifest-syntax", (1, 1)),
        (b"a = " + b"[" * 500_000, "manifest-too-complex", (1, 37)),
        (b"a = " + b"{a = " * 200_000, "manifest-too-complex", None),
        (b"a" + b".a" * 500_000 + b" = 1", "manifest-too-complex", None),
        (b"[a" + b" . a" * 200_000 + b"]", "manifest-too-complex", None),
        (b"a = " + b"9" * 1_000_000, "manifest-too-complex", (1, 5)),
        (b"a = 0x" + b"f" * 1_000_000, "manifest-too-complex", (1, 5)),
        (b"[a.b.c.d.e.f.g.h.i.j.k.l]\n" + b".".join([b"x"] * 25) + b" = 1", "manifest-too-complex", (1, 1)),
        (b"x" * (MAX_BYTES + 1), "manifest-too-large", None),
        (b"\x00" * 50_000_000, "manifest-too-large", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_refused(data: bytes, code: str, place: tuple[int, int] | None) -> None:
    error = refusal(data)
    assert error.code == code
    assert error.place
    if place:
        assert (error.place.line, error.place.column) == place


def test_one_byte_order_mark_is_taken_away() -> None:
    assert read_toml(b"\xef\xbb\xbfa = 1", "x").data == {"a": 1}


def test_the_largest_file_is_read() -> None:
    data = b"# " + b"x" * (MAX_BYTES - 8) + b"\na = 1"
    assert len(data) <= MAX_BYTES
    assert read_toml(data, "x").data == {"a": 1}


def test_brackets_in_strings_and_comments_are_no_depth() -> None:
    text = f"a = \"{'[' * 99}\"\nb = '{'{' * 99}'\n# {'[' * 99}\nc = '''{'[' * 99}'''\nd = 1.5\n"
    assert set(read_toml(text.encode(), "x").data) == set("abcd")


def test_the_shown_line_holds_nothing_that_a_terminal_obeys() -> None:
    error = refusal(b'a = "\x1b[2J"')
    assert error.place
    assert error.place.text == 'a = "\ufffd[2J"'


def test_a_long_line_is_not_shown() -> None:
    error = refusal(b"a = " + b" " * 10_000 + b"?")
    assert error.place
    assert error.place.text is None
    assert error.place.column == 10_005


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    text = ""
    try:
        parse(data)
    except ManifestError as error:
        text = "".join(f"{p.message}{p.hint or ''}" for p in error.problems)
    assert text.isprintable()


@given(
    st.lists(
        st.sampled_from(["[", "]", "{", "}", "=", ".", '"', "'", "\\", "\n", "#", "a", "1", ",", '"""', " "])
    )
)
def test_any_shuffle_of_toml_is_read_or_refused(tokens: list[str]) -> None:
    problems = 0
    try:
        parse("".join(tokens).encode())
    except ManifestError as error:
        problems = len(error.problems)
    assert problems  # none of these has a [metadata] table


def test_error_pages_exist() -> None:
    pages = Path(__file__).parents[2] / "devkit_core/src/devkit_core/data/errors"
    for code in ("manifest-encoding", "manifest-syntax", "manifest-too-complex", "manifest-too-large"):
        assert (pages / f"{code}.md").read_text().startswith(f"# {code}\n")
