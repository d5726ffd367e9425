"""rust-analyzer-plus: outline, metrics, lints, and source that is no Rust."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = "rust-analyzer-plus"

SOURCE = """\
//! A crate.
use std::io::*;

/// Adds.
/// More.
#[inline]
pub fn add(a: i32, b: i32) -> i32 {
    if a == 0 && b > 1 {
        for i in 0..3 { dbg!(i); }
    } else if a > 3 { match b { 1 => 2, 2 => 3, _ => 4 }; }
    return a + b;
}

pub struct Point { x: f64 }

impl Shape for Point {
    fn area(&self) -> f64 { unsafe { go() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works() { None::<u8>.unwrap(); }
}
"""


@pytest.fixture(scope="module")
def ask(module):
    execute = module("plugin").execute

    def run(code, **more):
        return json.loads(execute(json.dumps({"code": code, **more})))

    return run


def rules(ask, code):
    return [each["rule"] for each in ask(code, report=["lints"])["lints"]]


def test_the_outline(ask):
    function, struct, block, tests = ask(SOURCE, report=["outline"])["outline"]
    assert function == {
        "kind": "function", "name": "add", "line": 7, "end_line": 12, "public": True,
        "signature": "pub fn add(a: i32, b: i32) -> i32", "doc": "Adds.",
    }  # fmt: skip
    assert (struct["kind"], struct["name"]) == ("struct", "Point")
    assert (block["name"], [each["name"] for each in block["items"]]) == ("Shape for Point", ["area"])
    assert tests["test"] is True
    assert tests["items"][0]["test"] is True


def test_the_metrics(ask):
    found = ask(SOURCE, report=["metrics"])["metrics"]
    assert found["lines"] == {"total": 26, "code": 18, "comment": 3, "blank": 5}
    assert found["items"] == {"function": 3, "impl": 1, "module": 1, "struct": 1}
    assert found["unsafe_blocks"] == 1
    add = found["functions"][0]
    # one way, if, &&, for, else if, two further arms
    assert (add["complexity"], add["nesting"], add["parameters"], add["lines"]) == (7, 2, 2, 6)


def test_the_lints(ask):
    found = [(each["rule"], each["line"]) for each in ask(SOURCE, report=["lints"])["lints"]]
    assert found == [
        ("wildcard-import", 2), ("needless-return", 7), ("debug-output", 9), ("undocumented", 14),
        ("unsafe-unexplained", 17),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("fn f(x: Option<u8>) { x.unwrap(); }", ["unwrap"]),
        ("fn f(x: Option<u8>) { x.unwrap_or(1); x.expect(\"set by new\"); }", []),
        ("fn f(x: Option<u8>) { x.expect(\"\"); }", ["unwrap"]),
        ("#[test]\nfn f(x: Option<u8>) { x.unwrap(); panic!(); }", []),
        ("fn f() { todo!() }", ["unfinished"]),
        ("fn f() { panic!(\"x\") }", ["panics"]),
        ("fn f() { // SAFETY: nothing is shared\n unsafe { g() } }", []),
        ("fn f(v: Vec<u8>) -> bool { v.len() == 0 }", ["length-zero"]),
        ("fn f(v: bool) -> bool { v == true }", ["bool-comparison"]),
        ("pub(crate) fn f() {}", []),
        ("/// Says.\n#[inline]\npub fn f() {}", []),
        ("use crate::prelude::*;", []),
        ("fn f(a:u8,b:u8,c:u8,d:u8,e:u8,f:u8,g:u8,h:u8) {}", ["many-parameters"]),
        ("fn f() {" + "if x {" * 6 + "}" * 6 + "}", ["deep-nesting"]),
        ("fn f() {" + "if x {}" * 15 + "}", ["complex-function"]),
        ("fn f() {" + "\n" * 100 + "}", ["long-function"]),
    ],
)  # fmt: skip
def test_a_rule(ask, code, expected):
    assert rules(ask, code) == expected


def test_rules_can_be_left_out(ask):
    assert ask("fn f() { todo!() }", allow=["unfinished"])["lints"] == []


def test_columns_count_characters(ask):
    (found,) = ask('fn f() { g("é"); todo!() }', report=["lints"])["lints"]
    assert found["column"] == 18


def test_what_is_no_rust_is_named_and_the_rest_is_read(ask):
    found = ask("fn good() {}\nfn bad( {\n")
    assert found["mistakes"][0]["line"] == 2
    assert found["outline"][0]["name"] == "good"


def test_a_file_is_read(module, tmp_path):
    plugin = module("plugin")
    path = tmp_path / "lib.rs"
    path.write_text("fn f() {}\n")
    assert json.loads(plugin.execute(json.dumps({"path": str(path)})))["file"] == str(path)
    with pytest.raises(ValueError, match="permissions grant rust-analyzer-plus filesystem:read"):
        plugin.execute(json.dumps({"path": str(tmp_path / "missing.rs")}))
    with pytest.raises(ValueError, match="directory"):
        plugin.execute(json.dumps({"path": str(tmp_path)}))


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"code": "", "path": ""},
        {"code": 1},
        {"path": 1},
        {"code": "", "report": ["x"]},
        {"code": "", "x": 1},
    ],
)
def test_a_wrong_request_is_refused(module, request_):
    with pytest.raises(ValueError, match=r"\w"):
        module("plugin").execute(json.dumps(request_))


def test_deep_trees_are_read(ask):
    started = time.monotonic()
    ask("fn f() {" + "{" * 5000 + "}" * 5000 + "}")
    assert time.monotonic() - started < 60  # linear: well below a second


@given(st.text(alphabet='fn(){}let x=1;/*"r#!&|?\n é\0', max_size=200))
def test_any_text_is_answered(ask, text):
    assert set(ask(text)) == {"file", "mistakes", "outline", "metrics", "lints"}
