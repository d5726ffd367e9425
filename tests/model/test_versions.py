"""Versions and requirements: the documented tables, packaging's order, hostile text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version as Pep440

from devkit_core.errors import UsageError
from devkit_core.model.versions import (
    Requirement,
    Version,
    parse_requirement,
    parse_runtime_version,
    parse_version,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "versions.md"

numbers = st.integers(0, 10**18 - 1) | st.integers(0, 12)
stages = st.none() | st.tuples(st.sampled_from(["alpha", "beta", "rc"]), st.integers(0, 99))
versions = st.builds(Version, st.tuples(numbers, numbers, numbers), stages)
short = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))


def rows(heading: str) -> list[list[str]]:
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in table[2:]]


def test_the_page_tells_the_truth_about_versions() -> None:
    for written, read in rows("A plugin's version"):
        text = written.strip("`")
        if read.startswith("refused"):
            with pytest.raises(UsageError) as caught:
                parse_version(text)
            assert caught.value.code == "version-invalid"
            meant = re.search("`(.*)`", read)
            assert meant
            assert f"`{meant[1]}`" in (caught.value.hint or "")
        else:
            assert str(parse_version(text)) == read


def test_the_page_tells_the_truth_about_requirements() -> None:
    table = rows("Requirements")
    assert len(table) == 13
    for written, means, _ in table:
        for text in re.findall("`(.*?)`", written):
            expected = "" if means == "every version" else means.strip("`")
            assert parse_requirement(text).specifiers == expected


@given(versions)
def test_a_version_survives_being_written(version: Version) -> None:
    again = parse_version(f"{version}+build.5")
    assert again == version
    assert hash(again) == hash(version)
    assert str(again) == str(version)


@given(versions, versions)
def test_order_is_packagings(a: Version, b: Version) -> None:
    assert (a < b) == (Pep440(a.pep440) < Pep440(b.pep440))
    assert (a == b) == (Pep440(a.pep440) == Pep440(b.pep440))
    assert (a >= b) == (Pep440(a.pep440) >= Pep440(b.pep440))


@given(st.lists(st.sampled_from([">=", "<=", ">", "<", "==", "!="]), min_size=1, max_size=3), st.data())
def test_comparisons_are_packagings(operators: list[str], data: st.DataObject) -> None:
    text = ",".join(operator + data.draw(short) for operator in operators)
    requirement, packaging = parse_requirement(text), SpecifierSet(text)
    version = data.draw(st.builds(Version, st.tuples(*[st.integers(0, 4)] * 3), stages))
    assert requirement.allows(version) == (not version.pre and packaging.contains(version.pep440))
    assert parse_requirement(text.replace(",", " ")).specifiers == requirement.specifiers


@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.tuples(*[st.integers(0, 4)] * 3))
def test_a_bare_version_keeps_its_first_number_that_is_not_zero(
    wanted: list[int], found: tuple[int, int, int]
) -> None:
    text = ".".join(map(str, wanted))
    fixed = next((i for i, n in enumerate(wanted) if n), len(wanted) - 1)
    padded = [*wanted, 0, 0][:3]
    expected = list(found) >= padded and list(found[: fixed + 1]) == padded[: fixed + 1]
    for requirement in (parse_requirement(text), parse_requirement(f"^{text}")):
        assert requirement.allows(Version(found)) == expected


@pytest.mark.parametrize(
    ("text", "version", "allowed"),
    [
        (">=1.0", "1.1.0-rc.1", False),
        (">=1.1.0-rc.1", "1.1.0-rc.1", True),
        (">=1.1.0-rc.1", "1.2.0-alpha.1", True),
        ("^1.1.0-rc.1", "2.0.0-alpha.1", False),
        ("!=1.1.0-rc.1", "1.1.0-rc.2", False),
        ("*", "1.0.0-rc.1", False),
        ("*", "0.0.0", True),
        ("~1.2", "1.3.0", False),
        ("=1.2", "1.2.9", True),
        ("==1.2", "1.2.9", False),
        ("1.x", "1.9.9", True),
        (">= 1.0, < 2", "1.9.9", True),
        (">=1 <2", "2.0.0", False),
        ("==1.0.0+linux", "1.0.0", True),
    ],
)
def test_what_a_requirement_allows(text: str, version: str, allowed: bool) -> None:
    assert parse_requirement(text).allows(parse_version(version)) is allowed


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("3.11.7", (3, 11, 7)),
        ("v24.19.0", (24, 19, 0)),
        ("3.8", (3, 8)),
        ("17.0.15+6", (17, 0, 15)),
        ("21", (21,)),
        ("3.15.0a1", (3, 15, 0)),
        ("3.13.0+", (3, 13, 0)),
        ("1.2.3.4", (1, 2, 3, 4)),
    ],
)
def test_versions_of_runtimes(text: str, release: tuple[int, ...]) -> None:
    assert parse_runtime_version(text).release == release


def test_runtimes_and_requirements_meet() -> None:
    python = parse_runtime_version("3.11.7")
    assert parse_requirement(">=3.8").allows(python)
    assert parse_requirement("3.8").allows(python)
    assert not parse_requirement(">=3.12").allows(python)
    assert parse_runtime_version("3.8") == parse_runtime_version("3.8.0")


HOSTILE_VERSIONS = [
    "", " ", "1", "1.0", "1.0.0.0", "1.0.0-", "1.0.0+", "1.0.0-rc", "1.0.0-rc.01", "1.0.0-dev.1", "-1.0.0",
    "1.0.0-rc.1.2", "\u0967.\u0966.\u0966", "1.0.0\n", "1.0.0\x00", "1.0.0\x1b[2J", "1.0.0/../../etc",
    "1.0.0 ", "1_0.0.0", "9" * 255, "9" * 300, "1.0.0-" + "rc." * 80, "\u00b2.0.0", "1.0.0+a/b",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_VERSIONS)
def test_hostile_versions_get_a_typed_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_version(text)
    assert caught.value.code == "version-invalid"
    assert caught.value.hint
    assert caught.value.message.isprintable()


HOSTILE_REQUIREMENTS = [
    "", ",", ">=", ">=1,", "1,,2", "1||2", "1.0 - 2.0", "===1.0", "~>1", "<>1", ">=1.x", "!=*", "x.1", "~=1",
    "^", "latest", ">=1.0\x1b[2J", "1 " * 20, "9" * 300, ">= >= 1", "1.0.0-rc", "\u0967",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_REQUIREMENTS)
def test_hostile_requirements_get_a_typed_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_requirement(text)
    assert caught.value.code == "requirement-invalid"
    assert caught.value.hint
    assert caught.value.message.isprintable()


@given(st.text(max_size=300) | st.text(alphabet="0123456789.-+<>=!~^xv*, abrcelphut", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_version, parse_runtime_version, parse_requirement):
        shown = ""
        try:
            parsed = parse(text)
        except UsageError as error:
            shown = f"{error.message}{error.hint}"
        else:
            if isinstance(parsed, Requirement):
                parsed.allows(Version((1, 2, 3)))
            else:
                Pep440(parsed.pep440)
        assert shown.isprintable()


def test_a_million_characters_are_refused() -> None:
    for text in ("1" * 10**6, ">=" * 10**6, "1.0.0-" + "rc." * 10**6, " " * 10**6, "^" * 10**6):
        for parse in (parse_version, parse_runtime_version, parse_requirement):
            with pytest.raises(UsageError):
                parse(text)
