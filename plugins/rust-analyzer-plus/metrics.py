"""Counts of a Rust source: lines, items, and how involved each function is."""

from __future__ import annotations

from collections import Counter
from typing import Any

from outline import KINDS
from syntax import Node, Source, Step, walk

#: what opens one more way through a function
_BRANCHES = {"if_expression", "while_expression", "for_expression", "loop_expression", "try_expression"}
_LITERALS = {"string_literal", "raw_string_literal"}
_NESTING = {"if_expression", "match_expression", "while_expression", "for_expression", "loop_expression"}


def metrics(source: Source) -> dict[str, Any]:
    """Return the lines of the source, its items by kind, and one entry for each function with a body."""
    items: Counter[str] = Counter()
    functions = []
    unsafe = 0
    for node, *_ in walk(source.root):
        kind = KINDS.get(node.type)
        if kind is not None and node.is_named:
            items[kind] += 1
        if node.type == "unsafe_block":
            unsafe += 1
        if node.type == "function_item" and node.child_by_field_name("body") is not None:
            functions.append(of_function(source, node))
    return {
        "lines": count_lines(source),
        "items": dict(sorted(items.items())),
        "unsafe_blocks": unsafe,
        "functions": functions,
    }


def of_function(source: Source, node: Node) -> dict[str, Any]:
    """Return the size of one function, and its cyclomatic complexity: 1, and 1 for each further way."""
    body = node.child_by_field_name("body")
    assert body is not None
    ways, deepest = 1, 0
    nesting: list[int] = []  # the depths of the nodes around that nest
    inner: int | None = None  # the depth of a function inside this one, which counts for itself
    for step in walk(body):
        each, depth, parent_type = step
        if inner is not None:
            if depth > inner:
                continue
            inner = None
        if each.type == "function_item":
            inner = depth
            continue
        while nesting and nesting[-1] >= depth:
            nesting.pop()
        if each.type in _BRANCHES:
            ways += 1
        elif each.type == "match_expression":
            ways += max(0, arms(each) - 1)
        elif each.type in ("&&", "||") and parent_type == "binary_expression":
            ways += 1
        if each.type in _NESTING and not is_else_if(step):
            nesting.append(depth)
            deepest = max(deepest, len(nesting))
    return {
        "name": source.text(node.child_by_field_name("name")),
        "line": node.start_point.row + 1,
        "lines": node.end_point.row - node.start_point.row + 1,
        "parameters": parameters(node),
        "complexity": ways,
        "nesting": deepest,
    }


def parameters(node: Node) -> int:
    """Return how many parameters a function has, `self` left out."""
    given = node.child_by_field_name("parameters")
    return sum(each.type == "parameter" for each in given.named_children) if given is not None else 0


def arms(node: Node) -> int:
    """Return the number of arms of a match."""
    body = node.child_by_field_name("body")
    return sum(each.type == "match_arm" for each in body.named_children) if body is not None else 0


def is_else_if(step: Step) -> bool:
    """Tell whether an `if` stands right behind an `else`, and so nests nothing."""
    return step.node.type == "if_expression" and step.parent_type == "else_clause"


def count_lines(source: Source) -> dict[str, int]:
    """Return how many lines there are, and how many have code, only a comment, or nothing."""
    total = len(source.lines) - (1 if source.lines[-1] == b"" else 0)
    code: set[int] = set()
    comment: set[int] = set()
    for node, _, parent_type in walk(source.root):
        rows = range(node.start_point.row, node.end_point.row + (node.end_point.column > 0))
        if node.type in ("line_comment", "block_comment"):
            comment.update(rows)
        elif node.type in _LITERALS or (node.child_count == 0 and "comment" not in parent_type):
            code.update(rows)
    seen = code | comment
    blank = sum(not source.lines[row].strip() and row not in seen for row in range(total))
    return {"total": total, "code": len(code), "comment": len(comment - code), "blank": blank}
