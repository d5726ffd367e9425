"""Rust source as a tree: walking it, and what in it is no Rust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

_RUST = Language(tree_sitter_rust.language())
_MOST = 100  # mistakes reported of one source


class Source:
    """A parsed source; columns count characters, everything else of the tree counts bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lines = data.split(b"\n")
        self.tree = Parser(_RUST).parse(data)
        self.root: Node = self.tree.root_node

    def text(self, node: Node | None) -> str:
        """Return a node's source."""
        return "" if node is None else self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def place(self, node: Node) -> dict[str, int]:
        """Return where a node starts, line and column from 1."""
        row, column = node.start_point.row, node.start_point.column
        return {"line": row + 1, "column": len(self.lines[row][:column].decode("utf-8", "replace")) + 1}


class Step(NamedTuple):
    """One node on a walk. A node's own `parent` is looked for from the root: slow in deep trees."""

    node: Node
    depth: int
    parent_type: str


def walk(top: Node) -> Iterator[Step]:
    """Yield a node and all below it in order; needs no stack of calls, however deep the tree is."""
    cursor = top.walk()
    above = [""]
    while True:
        node = cursor.node
        if node is not None:
            yield Step(node, len(above) - 1, above[-1])
        if node is not None and cursor.goto_first_child():
            above.append(node.type)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            above.pop()


def mistakes(source: Source) -> list[dict[str, Any]]:
    """Return where the source isn't Rust: what is missing, or what was found instead."""
    found: list[dict[str, Any]] = []
    if not source.root.has_error:
        return found
    for node, *_ in walk(source.root):
        if node.is_missing:
            found.append({**source.place(node), "message": f"{node.type} is missing"})
        elif node.is_error:
            text = " ".join(source.text(node).split())
            found.append({**source.place(node), "message": f"unexpected {text[:60]!r}"})
        if len(found) == _MOST:
            break
    return found


def attributes(source: Source, node: Node) -> list[str]:
    """Return the attributes that stand before an item, without #[ and ]."""
    found = []
    before = node.prev_sibling
    while before is not None and before.type in ("attribute_item", "line_comment", "block_comment"):
        if before.type == "attribute_item":
            found.append(source.text(before).removeprefix("#[").removesuffix("]").strip())
        before = before.prev_sibling
    return found[::-1]


def is_test(source: Source, node: Node) -> bool:
    """Tell whether an item is compiled for tests only."""
    kinds = ("cfg(all(test", "tokio::test(")
    return any(
        each in ("test", "cfg(test)") or each.endswith("::test") or each.startswith(kinds)
        for each in attributes(source, node)
    )
