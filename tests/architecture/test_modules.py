"""Modules are small, say what they are, and are named after the domain."""

import ast
import importlib
import re
import warnings

import pytest

LONGEST = 400
LONG = 350
FIRST_LINE_WORDS = 12
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|base|misc|shared|stuff)(_|$)")


@pytest.mark.filterwarnings("default::UserWarning")
def test_sizes(modules, root):
    lengths = {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in modules}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}
    for name, length in lengths.items():
        if length > LONG:
            warnings.warn(f"{name} has {length} lines: is it one thing?", UserWarning, stacklevel=1)


def test_first_lines(modules, root):
    wrong = {}
    for path in modules:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        first = docstring.splitlines()[0] if docstring else ""
        # a room's first line also names its neighbours, so it may be longer: its first sentence counts
        first = re.split(r"(?<=[.;:]) ", first)[0] if path.name == "__init__.py" else first
        if not first or len(first.split()) > FIRST_LINE_WORDS:
            wrong[str(path.relative_to(root))] = first
    assert wrong == {}


def test_names(modules, tracked, root):
    names = {path.relative_to(root) for path in [*modules, *tracked] if path.suffix in (".py", "")}
    assert [
        str(name) for name in names if any(VAGUE.search(part.removesuffix(".py")) for part in name.parts)
    ] == []


def test_folders_are_two_deep_at_most(modules, root):
    for path in modules:
        inside = path.parts[path.parts.index("src") + 2 : -1]
        assert len(inside) <= 2, path.relative_to(root)


def test_rooms_hold_no_code(modules, root):
    """A room's __init__ is its docstring and __all__; the packages' own are lazy and have more."""
    for path in modules:
        if path.name == "__init__.py" and path.parent.parent.name != "src":
            rest = [
                node
                for node in ast.parse(path.read_text()).body[1:]
                if not isinstance(node, (ast.Assign, ast.AnnAssign))
            ]
            assert rest == [], f"{path.relative_to(root)} has code"


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name: ruff's order."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", ["devkit_core", "devkit_core.api", "devkit_loader_python"])
def test_public_names_exist_and_are_sorted(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names, key=order)
    for name in names:
        assert getattr(module, name, None) is not None, f"{package}.{name}"
