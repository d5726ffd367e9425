"""Functions on the command line: run with JSON, checked, shown, and their schemas' mistakes placed."""

CODE = """
def execute(text):
    return text

def add(value):
    return sum(value["of"])

def wrong(value):
    return "text"
"""
FUNCTIONS = """
[functions.add]
description = "Adds"
input = {type = "object", required = ["of"], properties = {of = {type = "array"}, how = {}}}
output = {type = "integer"}
[functions.wrong]
output = {type = "integer"}
"""


def test_a_function_with_json(project, devkit, data):
    project.plugin("adder", CODE, more=FUNCTIONS)
    assert devkit("plugin", "run", "adder", "--fn", "add", "--json", '{"of": [1, 2]}').stdout == "3"
    assert data("plugin", "run", "adder", "--fn", "add", "--json", '{"of": [1, 2]}')["text"] == "3"
    assert devkit("plugin", "run", "adder", "--fn", "add", "-", input='{"of": [1, 2]}').stdout == "3"


def test_what_does_not_fit(project, devkit, data):
    project.plugin("adder", CODE, more=FUNCTIONS)
    told = devkit("plugin", "run", "adder", "--fn", "add", "--json", '{"of": 1}', code=2).stderr
    assert "error[input-invalid]" in told
    assert "`$.of` is 1; expected an array" in told
    assert (
        "error[output-invalid]"
        in devkit("plugin", "run", "adder", "--fn", "wrong", "--json", "1", code=1).stderr
    )


def test_json_that_can_not_be_meant(project, devkit):
    project.plugin("adder", CODE, more=FUNCTIONS)
    for words in (["--fn", "add", "--json", "{"], ["--fn", "add", "--json", "[" * 100_000]):
        assert "error[input-not-json]" in devkit("plugin", "run", "adder", *words, code=2).stderr
    assert "--fn NAME" in devkit("plugin", "run", "adder", "--json", "1", code=2).stderr
    assert (
        "more than one input"
        in devkit("plugin", "run", "adder", "1", "--fn", "add", "--json", "1", code=2).stderr
    )


def test_info_shows_what_they_take_and_give(project, devkit, data):
    project.plugin("adder", CODE, more=FUNCTIONS)
    assert "add(of, how?) → an integer: Adds" in devkit("plugin", "info", "adder").stdout
    add, wrong = data("plugin", "info", "adder")["functions"]
    assert add["input"]["required"] == ["of"]
    assert wrong == {"name": "wrong", "description": "", "input": None, "output": {"type": "integer"}}


def test_a_check_places_what_is_wrong_with_a_schema(project, devkit):
    more = '[functions.f.input]\ntype = "objekt"\nrequird = ["a"]\nproperties.a.pattern = "(?=x)"\n'
    folder = project.plugin("broken", more=more)
    shown = devkit("plugin", "check", str(folder), code=1).stdout
    lines = (folder / "plugin.toml").read_text().splitlines()
    for code, key in (
        ("schema-invalid", "type = "),
        ("manifest-unknown-key", "requird"),
        ("schema-invalid", "properties"),
    ):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(key))
        assert f"[{code}]" in shown
        assert f"plugin.toml:{number}:" in shown
    assert "error[schema-invalid]" in devkit("plugin", "run", "broken", code=1).stderr
