"""python-formatter: source, requests, and its three releases."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = "python-formatter"

FOLDER = Path(__file__).parents[2] / "plugins" / PLUGIN


@pytest.fixture(scope="module")
def execute(module):
    return module("plugin").execute


def ask(execute, **request):
    return json.loads(execute(json.dumps(request)))


def test_plain_source_comes_back_formatted(execute):
    assert execute("x = {'a':1 }") == 'x = {"a": 1}\n'
    assert execute('x = {"a": 1}\n') == 'x = {"a": 1}\n'
    assert execute("") == ""


def test_an_object_without_code_is_source(execute):
    assert execute('{"a":1}') == '{"a": 1}\n'


def test_a_request_gets_an_object(execute):
    assert ask(execute, code="x  = 1") == {"changed": True, "code": "x = 1\n"}
    assert ask(execute, code="x = 1\n") == {"changed": False, "code": "x = 1\n"}


def test_check_and_diff(execute):
    assert ask(execute, code="x  = 1", check=True) == {"changed": True}
    diff = ask(execute, code="x  = 1\n", diff=True)
    assert diff == {"changed": True, "diff": "--- before\n+++ after\n@@ -1 +1 @@\n-x  = 1\n+x = 1\n"}
    assert ask(execute, code="x = 1\n", diff=True)["diff"] == ""
    assert "\\ No newline at end of file" in ask(execute, code="x  = 1", diff=True)["diff"]


def test_options_reach_black(execute):
    call = "f(aaaaaaaaaa, bbbbbbbbbb)\n"
    assert ask(execute, code=call, line_length=10)["code"].count("\n") > 1
    assert ask(execute, code="x = 'a'\n", keep_quotes=True) == {"changed": False, "code": "x = 'a'\n"}
    assert ask(execute, code="x  = 1\ny  = 2\n", lines=[[2, 2]])["code"] == "x  = 1\ny = 2\n"
    assert ask(execute, code="class A: ...\nclass B: ...\n", stub=True)["changed"] is False
    assert ask(execute, code="x = 1\n", targets=["py311"])["changed"] is False


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"code": 3}, "code"),
        ({"code": "", "line_length": True}, "line_length"),
        ({"code": "", "line_length": 0}, "line_length"),
        ({"code": "", "targets": ["py2"]}, "targets"),
        ({"code": "", "targets": "py311"}, "targets"),
        ({"code": "", "targets": [[]]}, "targets"),
        ({"code": "", "lines": [1]}, "lines"),
        ({"code": "", "lines": [[2, 1]]}, "lines"),
        ({"code": "", "check": 1}, "check"),
        ({"code": "", "color": True}, "'color' is no option"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(execute, request_, said):
    with pytest.raises(ValueError, match=said):
        execute(json.dumps(request_))


def test_what_is_no_python_names_its_line(execute):
    with pytest.raises(ValueError, match="line 2: "):
        execute("x = 1\ndef f(:\n")


@given(
    st.lists(st.sampled_from(["x = 1", "if x :", "    y=[1,2 ,3]", "", "# c", "def f( a ):", "    return a"]))
)
def test_formatting_keeps_the_meaning(execute, lines):
    source = "\n".join(lines) + "\n"
    try:
        tree = ast.dump(ast.parse(source))
    except SyntaxError:
        with pytest.raises(ValueError, match="line "):
            execute(source)
        return
    formatted = execute(source)
    assert ast.dump(ast.parse(formatted)) == tree
    assert execute(formatted) == formatted


@pytest.mark.parametrize("version", ["1.0.4", "1.0.5"])
def test_earlier_releases_work(version):
    path = FOLDER / "releases" / version / "plugin.py"
    spec = importlib.util.spec_from_file_location(f"formatter_{version.replace('.', '_')}", path)
    released = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(released)
    assert released.execute("x  = 1") == "x = 1\n"
    assert released.execute("x = 1\n") == "x = 1\n"
    with pytest.raises(ValueError, match="1"):
        released.execute("def f(:")
    if version == "1.0.5":
        request = {"code": "f(aaaaaaaaaa, bbbbbbbbbb)\n", "line_length": 10}
        assert released.execute(json.dumps(request)).count("\n") > 1
        with pytest.raises(ValueError, match="line_length"):
            released.execute(json.dumps({**request, "line_length": 0}))
