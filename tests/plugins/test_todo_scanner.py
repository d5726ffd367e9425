import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = "todo-scanner"


@pytest.fixture(scope="module")
def execute(module):
    return lambda request: json.loads(
        module("plugin").execute(request if isinstance(request, str) else json.dumps(request))
    )


def found(report):
    return [(t["line"], t["column"], t["tag"], t.get("author"), t["text"]) for t in report["todos"]]


def test_comments_only_never_strings(execute):
    source = 's = "# TODO no"\nt = """\n# FIXME no\n"""  # TODO(ana): yes\n'
    assert found(execute(source)) == [(4, 8, "TODO", "ana", "yes")]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# TODO later", [(1, 3, "TODO", None, "later")]),
        ("# TODO: later", [(1, 3, "TODO", None, "later")]),
        ("#FIXME", [(1, 2, "FIXME", None, "")]),
        ("# @HACK( bo ): why", [(1, 4, "HACK", "bo", "why")]),
        ("# see the TODO list", []),
        ("# now TODO: this", [(1, 7, "TODO", None, "this")]),
        ("# TODOS and METODO: no", []),
        ("# todo: lower case is prose", []),
        ("# TODO one FIXME: two", [(1, 3, "TODO", None, "one"), (1, 12, "FIXME", None, "two")]),
        ("# XXX - dashed", [(1, 3, "XXX", None, "dashed")]),
    ],
)
def test_what_a_tag_is(execute, comment, expected):
    assert found(execute(comment)) == expected


OTHERS = [
    ("c", 'x = "// TODO a"; // TODO b', ["b"]),
    ("c", "char q = '\"'; // TODO a", ["a"]),
    ("c", "fn f<'a>(x: &'a str) {} // TODO a", ["a"]),
    ("c", 'r#"\n// TODO no "quoted"\n"# // TODO yes', ["yes"]),
    ("c", '"""\n// TODO no\n""" // TODO yes', ["yes"]),
    ("c", "/* TODO a\n * FIXME: b */ /* HACK c", ["a", "b", "c"]),
    ("c", 'open = "unclosed\n// TODO a', ["a"]),
    ("go", "x := `\n// TODO no\n` // TODO a", ["a"]),
    ("javascript", "let a = `// TODO no\n\\``, b = '/*'; // TODO a", ["a"]),
    ("css", "a { b: url('/* TODO no') } /* TODO a */", ["a"]),
    ("sql", "select '-- TODO no', 'it''s' -- TODO a", ["a"]),
    ("shell", "echo '# TODO no' \"# TODO no\" $# ${#x} a#TODO \\# TODO # TODO a", ["a"]),
    ("yaml", "a: it's # TODO a\nb: '# TODO no' # TODO b", ["a", "b"]),
    ("toml", 'a = "# TODO no"\nb = """\n# TODO no\n""" # TODO a', ["a"]),
]


@pytest.mark.parametrize(("language", "text", "expected"), OTHERS)
def test_other_languages(execute, language, text, expected):
    report = execute({"text": text, "language": language})
    assert [todo["text"] for todo in report["todos"]] == expected


def test_the_position_of_a_line_in_a_block(execute):
    report = execute({"text": "x\n  /* a\n   TODO b */ y(); // FIXME c", "language": "c"})
    assert found(report) == [(3, 4, "TODO", None, "b"), (3, 22, "FIXME", None, "c")]


def test_a_folder(execute, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "src/b.py": b"# TODO b",
        "src/a.py": b"# TODO a",
        "src/sub/c.js": b"// TODO c",
        "src/latin.py": "# -*- coding: latin-1 -*-\n# TODO caf\u00e9".encode("latin-1"),
        "src/.hidden.py": b"# TODO no",
        "src/.git/x.py": b"# TODO no",
        "src/node_modules/x.js": b"// TODO no",
        "src/notes.txt": b"# TODO no",
        "src/binary.c": b"\0// TODO no",
        "src/bytes.py": b"# TODO \xff",
        "src/big.c": b"//" + b"x" * (2 * 1024 * 1024),
        "src/broken.py": b"# FIXME seen\ndef f(:\n  x = '''",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "src/link.py").symlink_to("a.py")
    report = execute({"path": "src"})
    assert [(t["file"], t["text"]) for t in report["todos"]] == [
        ("src/a.py", "a"),
        ("src/b.py", "b"),
        ("src/broken.py", "seen"),
        ("src/latin.py", "café"),
        ("src/sub/c.js", "c"),
    ]
    assert {p["file"]: p["problem"] for p in report["problems"]} == {
        "src/big.c": "over 2 MiB",
        "src/binary.c": "binary",
        "src/broken.py": "EOF in multi-line string",
        "src/bytes.py": "not text in the encoding it declares, or not UTF-8",
    }
    assert report["files"] == 5
    assert not report["truncated"]
    assert execute({"path": "src/a.py"})["files"] == 1


def test_a_named_file_is_told_when_it_cannot_be_read(execute, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("# TODO")
    (problem,) = execute({"path": "absent.py"})["problems"]
    assert problem["problem"] == "No such file or directory"
    assert "permissions grant" in problem["hint"]
    assert "no language" in execute({"path": "notes.txt"})["problems"][0]["problem"]


def test_a_denied_folder_says_what_to_grant(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()

    def denied(path):
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr(module("tree").os, "scandir", denied)
    report = json.loads(module("plugin").execute('{"path": "src"}'))
    (problem,) = report["problems"]
    assert problem["problem"] == "Permission denied"
    assert problem["hint"].endswith("devkit plugin permissions grant todo-scanner filesystem:read")


def test_what_is_no_file(module, execute, tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (problem,) = execute({"path": str(tmp_path / "pipe.py")})["problems"]
    assert problem == {"file": str(tmp_path / "pipe.py"), "problem": "not a regular file"}
    with pytest.raises(ValueError, match="null"):
        module("plugin").execute('{"path": "a\\u0000.py"}')


@pytest.mark.parametrize(
    "request_text",
    ["{}", '{"pth": "x"}', '{"path": 1}', '{"path": "x", "text": "y"}', '{"text": "", "language": "x"}'],
)
def test_requests_that_mean_nothing_are_refused(module, request_text):
    with pytest.raises(ValueError, match='"'):
        module("plugin").execute(request_text)


def test_bounds(module, monkeypatch, tmp_path):
    plugin = module("plugin")
    monkeypatch.setattr(plugin, "MAX_TODOS", 2)
    report = json.loads(plugin.execute("# TODO\n" * 4))
    assert (len(report["todos"]), report["truncated"]) == (2, True)
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(plugin, "MAX_FILES", 2)
    report = json.loads(plugin.execute('{"path": "."}'))
    assert (report["files"], report["truncated"]) == (2, True)


@pytest.mark.parametrize("unit", ["/*", "*", '"', "\\", "`", "'", '"""', 'r#"', 'R"(', "#", "--", "/", ")"])
def test_long_hostile_text_is_quick(execute, unit):
    for language in ("c", "javascript", "sql", "shell", "yaml", "toml"):
        execute({"text": "/*" + unit * 20_000, "language": language})
        execute({"text": unit * 20_000, "language": language})


LANGUAGES = ["python", "c", "go", "javascript", "css", "sql", "shell", "yaml", "toml"]


@given(
    st.text(alphabet=st.sampled_from("\"'`#/*-\\\n r(){}TODO:xé\r\t"), max_size=60),
    st.sampled_from(LANGUAGES),
)
def test_any_text_is_scanned_and_positions_are_true(execute, text, language):
    report = execute({"text": text, "language": language})
    lines = text.split("\n")
    for todo in report["todos"]:
        assert lines[todo["line"] - 1].startswith(todo["tag"], todo["column"] - 1)


def test_the_command_line(plugin_folder: Path):
    command = [sys.executable, "plugin.py"]
    done = subprocess.run(
        [*command, "execute", "{}"], cwd=plugin_folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("todo-scanner: ")
    done = subprocess.run(
        [*command, "execute", "# TODO x"], cwd=plugin_folder, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["todos"][0]["text"] == "x"
    assert subprocess.run(command, cwd=plugin_folder, capture_output=True, check=False).returncode == 2
