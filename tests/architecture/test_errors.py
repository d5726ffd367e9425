"""Every error has a code, and every code has a page that `devkit explain` shows."""

import ast
import inspect
import re
import traceback
from pathlib import Path

import pytest

from devkit_core import errors

PAGES = Path(errors.__file__).parent / "data" / "errors"
KEBAB = re.compile(r"[a-z]+(-[a-z0-9]+)*\Z")
SECTIONS = ["## What happened", "## Why", "## What to do"]


def tree(cls=errors.DevKitError):
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def codes_in(path):
    """The codes that a module gives: `code="…"`, the first argument of a Problem, `"code": "…"`."""
    for node in ast.walk(ast.parse(path.read_text())):
        found = []
        if isinstance(node, ast.Call):
            found = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            if isinstance(node.func, ast.Name) and node.func.id == "Problem":
                found += node.args[:1]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "code"]
        for value in found:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


@pytest.fixture(scope="module")
def used(modules):
    return {code: path for path in modules for code in codes_in(path)}


@pytest.mark.parametrize("cls", list(tree()), ids=lambda cls: cls.__name__)
def test_each_class_has_a_code_of_its_own_and_a_page(cls):
    assert "code" in vars(cls)
    assert KEBAB.match(cls.code)
    assert [other for other in tree() if other.code == cls.code] == [cls]
    assert (PAGES / f"{cls.code}.md").is_file(), f"no page for {cls.code}"


def test_a_traceback_shows_what_to_do_next():
    told = traceback.format_exception_only(errors.NotFound("there is no plugin 'x'", hint="look again"))
    assert "".join(told).endswith("'x'\nhelp: look again (devkit explain plugin-not-found)\n")
    told = traceback.format_exception_only(errors.CallTimeout("no answer"))
    assert "".join(told).endswith("no answer\ndevkit explain call-timeout\n")


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"^[│ ]*(?:[├└]── )?(\w+)(?:  |$)", inspect.getdoc(errors), re.MULTILINE)
    assert [name for name in drawn if name in errors.__all__] == [cls.__name__ for cls in tree()]


def test_each_code_in_use_has_a_page(used):
    assert {code: str(path) for code, path in used.items() if not (PAGES / f"{code}.md").is_file()} == {}
    assert [code for code in used if not KEBAB.match(code)] == []


def test_each_page_belongs_to_a_code(modules):
    texts = {
        node.value
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [page.stem for page in PAGES.glob("*.md") if page.stem not in texts] == []


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_each_page_says_what_why_and_what_to_do(page):
    lines = page.read_text().splitlines()
    assert lines[0] == f"# {page.stem}"
    assert [line for line in lines if line.startswith("#")][1:] == SECTIONS
    assert 5 <= len([line for line in lines if line.strip()]) <= 25
