"""What `plugin check` finds in a source, running nothing of it."""

from pathlib import Path

import pytest

from devkit_core.api import Entry
from devkit_loader_node.loader import NodeLoader

FINE = [
    (".js", "exports.execute = (t) => t"),
    (".js", "#!/usr/bin/env node\nmodule.exports = { execute (t) { return t } }"),
    (".js", "import a from 'b'\nawait 1\nexport function execute () {}"),
    (".mjs", "export * from './x.js'"),
    (".cjs", "module.exports = require('./lib')"),
    (".js", "if (process.argv[2] === 'execute') console.log(process.argv[3])"),
    (".ts", "enum A { B }\nexport function execute(x: string): string { return x }"),
    (".ts", "class X {\n  @d m() {}\n}\nexport const execute = (x: string): string => x"),
    (".cts", "export = { execute: (x: string) => x }"),
    (".js", "return exports.execute = 1"),
]
WRONG = [
    (".js", "exports.execute = (x) => {\n  return x +* 3\n}", "entry-point-syntax", 2),
    (".mjs", "export const execute = (x) => {\n  return x +* 3\n}", "entry-point-syntax", 2),
    (".ts", "export function execute(x: string) {\n  return x +* 3\n}", "entry-point-syntax", 2),
    (".cjs", "export const execute = 1", "entry-point-syntax", 1),
    (".js", "exports.run = 1", "entry-function-missing", 1),
    (".js", "// exports.execute and process.argv\nconst s = 'exports.execute'", "entry-function-missing", 1),
    (".js", "", "entry-function-missing", 1),
]


def check(extension, source):
    entry = Entry(Path(f"/nowhere/plugin{extension}"), extension, b"")
    return NodeLoader().check(entry, source.encode())


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("extension", "source"), FINE)
def test_fine(extension, source):
    assert check(extension, source) == []


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("extension", "source", "code", "line"), WRONG)
def test_wrong(extension, source, code, line):
    (problem,) = check(extension, source)
    assert (problem.code, problem.place.line) == (code, line)
    assert problem.place.path == f"/nowhere/plugin{extension}"


@pytest.mark.usefixtures("node")
def test_nothing_of_it_runs(tmp_path):
    made = tmp_path / "made"
    for extension in (".js", ".mjs", ".ts"):
        check(extension, f"process.binding; require('fs').writeFileSync('{made}', ''); exports.execute = 1")
    assert not made.exists()


def test_without_a_node(monkeypatch):
    monkeypatch.setattr("devkit_loader_node.runtime.candidates", lambda: iter(()))
    (problem,) = check(".js", "")
    assert (problem.code, problem.warning) == ("node-missing", True)
