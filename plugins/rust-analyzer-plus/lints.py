"""Looks for what a reviewer of Rust would ask about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from metrics import of_function, parameters
from syntax import Node, Source, attributes, is_test, walk

MAX_LINES = 100
MAX_COMPLEXITY = 15
MAX_NESTING = 5
MAX_PARAMETERS = 7
_MOST = 1000

_MACROS = {
    "todo": ("unfinished", "todo!() panics when it is reached"),
    "unimplemented": ("unfinished", "unimplemented!() panics when it is reached"),
    "dbg": ("debug-output", "dbg!() was left in"),
    "panic": ("panics", "panic!() ends the thread; a Result lets the caller decide"),
}
_PANICKING = {
    "unwrap": "unwrap() panics where there is no value; `?`, a match or expect() with a reason",
    "unwrap_err": "unwrap_err() panics where there is a value",
}


def lints(source: Source) -> list[dict[str, Any]]:
    """Return the findings in order of their lines, at most 1000; tests may panic."""
    found = []
    for node, in_test in _with_tests(source):
        check = _CHECKS.get(node.type)
        for rule, message in check(source, node) if check else ():
            if not (in_test and rule in _FINE_IN_TESTS):
                found.append({"rule": rule, **source.place(node), "message": message})
        if len(found) >= _MOST:
            break
    return sorted(found, key=lambda each: (each["line"], each["column"], each["rule"]))


def _with_tests(source: Source) -> Iterator[tuple[Node, bool]]:
    """Yield every node, and whether it is inside an item that is compiled for tests only."""
    test_depth: int | None = None
    for node, depth, _ in walk(source.root):
        if test_depth is not None and depth <= test_depth:
            test_depth = None
        if test_depth is None and node.type in ("mod_item", "function_item") and is_test(source, node):
            test_depth = depth
        yield node, test_depth is not None


def _macro(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    name = source.text(node.child_by_field_name("macro")).rpartition("::")[2]
    if name in _MACROS:
        yield _MACROS[name]


def _call(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    function = node.child_by_field_name("function")
    arguments = node.child_by_field_name("arguments")
    if function is None or function.type != "field_expression" or arguments is None:
        return
    name = source.text(function.child_by_field_name("field"))
    if name in _PANICKING and arguments.named_child_count == 0:
        yield "unwrap", _PANICKING[name]
    elif name == "expect" and source.text(arguments) in ('("")', "()"):
        yield "unwrap", "expect() without a reason says no more than unwrap()"


def _unsafe(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    row = node.start_point.row
    above = b"\n".join(source.lines[max(0, row - 5) : row + 1])
    if b"SAFETY:" not in above:
        yield "unsafe-unexplained", "no `// SAFETY:` comment says why this is sound"


def _function(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    if node.child_by_field_name("body") is None:
        return
    facts = of_function(source, node)
    if facts["lines"] > MAX_LINES:
        yield "long-function", f"{facts['name']} has {facts['lines']} lines; {MAX_LINES} can be read"
    if facts["complexity"] > MAX_COMPLEXITY:
        yield "complex-function", f"{facts['name']} has {facts['complexity']} ways through it"
    if facts["nesting"] > MAX_NESTING:
        yield "deep-nesting", f"{facts['name']} nests {facts['nesting']} deep"
    if parameters(node) > MAX_PARAMETERS:
        yield "many-parameters", f"{facts['name']} has {facts['parameters']} parameters"
    yield from _documented(source, node)
    yield from _needless_return(source, node)


def _documented(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    visibility = next((each for each in node.children if each.type == "visibility_modifier"), None)
    if visibility is None or source.text(visibility) != "pub":
        return
    if any(each.startswith("doc") for each in attributes(source, node)):
        return
    before = node.prev_sibling
    while before is not None and before.type == "attribute_item":
        before = before.prev_sibling
    text = source.text(before) if before is not None else ""
    if not text.startswith(("///", "/**")):
        name = source.text(node.child_by_field_name("name"))
        yield "undocumented", f"{name} is public and has no documentation"


def _needless_return(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    body = node.child_by_field_name("body")
    statements = (
        [each for each in body.named_children if "comment" not in each.type] if body is not None else []
    )
    last = statements[-1] if statements else None
    if last is not None and last.type == "expression_statement" and last.named_children:
        last = last.named_children[0]
    if last is not None and last.type == "return_expression":
        name = source.text(node.child_by_field_name("name"))
        yield "needless-return", f"the return at the end of {name} needs no `return`"


def _comparison(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    operator = source.text(node.child_by_field_name("operator"))
    sides = [node.child_by_field_name(side) for side in ("left", "right")]
    texts = [source.text(side) for side in sides]
    if operator in ("==", "!=") and ("true" in texts or "false" in texts):
        yield "bool-comparison", "comparing with true or false says nothing that the value itself doesn't"
    if operator in ("==", "!=", ">") and texts[0].endswith(".len()") and texts[1] == "0":
        yield "length-zero", "is_empty() says what is meant"


def _use(source: Source, node: Node) -> Iterator[tuple[str, str]]:
    path = source.text(node)
    if not path.startswith(("super::", "self::")) and "prelude" not in path:
        yield "wildcard-import", f"`use {path}` hides which names come from there"


_CHECKS: dict[str, Callable[[Source, Node], Iterator[tuple[str, str]]]] = {
    "macro_invocation": _macro,
    "call_expression": _call,
    "unsafe_block": _unsafe,
    "function_item": _function,
    "struct_item": _documented,
    "enum_item": _documented,
    "trait_item": _documented,
    "binary_expression": _comparison,
    "use_wildcard": _use,
}
RULES = (
    "bool-comparison", "complex-function", "debug-output", "deep-nesting", "length-zero", "long-function",
    "many-parameters", "needless-return", "panics", "undocumented", "unfinished", "unsafe-unexplained",
    "unwrap", "wildcard-import",
)  # fmt: skip
_FINE_IN_TESTS = {"panics", "undocumented", "unwrap", "wildcard-import", "long-function"}
