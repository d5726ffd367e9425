"""Selects values of a document by a JSONPath query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from document import JsonError, frozen, kind
from jsonpath import (
    AllOf,
    Call,
    Comparison,
    Condition,
    Exists,
    Filter,
    Index,
    Literal,
    Name,
    Not,
    Query,
    Segment,
    Selector,
    Slice,
    Value,
    parse,
)

MAX_VISITS = 1_000_000
NOTHING = object()  # the value of a path that selects no node
_ESCAPES = {ord(c): f"\\{e}" for c, e in zip("\b\f\n\r\t'\\", "bfnrt'\\", strict=True)}
_ESCAPES |= {code: f"\\u{code:04x}" for code in range(32) if code not in _ESCAPES}


class Node(NamedTuple):
    """A value and where it stands: its parent's node and its name or index there."""

    value: Any
    parent: Node | None = None
    key: str | int = ""

    @property
    def path(self) -> str:
        """The normalized path (RFC 9535, 2.7), which selects this node alone."""
        steps = []
        node = self
        while node.parent is not None:
            key = node.key
            steps.append(f"[{key}]" if isinstance(key, int) else f"['{key.translate(_ESCAPES)}']")
            node = node.parent
        return "$" + "".join(reversed(steps))


def query(path: str, document: Any) -> list[Node]:
    """Return the nodes that a path selects, in the order of RFC 9535.

    Raises PathError where the path is wrong, JsonError where it visits more than MAX_VISITS nodes.
    """
    root = Node(document)
    return _Evaluation(root).nodes(parse(path), root)


class _Evaluation:
    """One evaluation: it knows the root and counts its steps, so that no path runs without end."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.visits = 0

    def nodes(self, query: Query, current: Node) -> list[Node]:
        found = [self.root if query.absolute else current]
        for segment in query.segments:
            found = list(self.step(segment, found))
        return found

    def step(self, segment: Segment, nodes: list[Node]) -> Iterator[Node]:
        for start in nodes:
            for node in self.descendants(start) if segment.descendant else (start,):
                for selector in segment.selectors:
                    yield from self.select(selector, node)

    def descendants(self, start: Node) -> Iterator[Node]:
        waiting = [start]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(list(self.children(node))))

    def children(self, node: Node) -> Iterator[Node]:
        value = node.value
        if isinstance(value, dict):
            for name, member in value.items():
                yield self.visit(Node(member, node, name))
        elif isinstance(value, list):
            for index, element in enumerate(value):
                yield self.visit(Node(element, node, index))

    def visit(self, node: Node) -> Node:
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise JsonError(f"the path visits more than {MAX_VISITS} values")
        return node

    def select(self, selector: Selector, node: Node) -> Iterator[Node]:
        value = node.value
        if isinstance(selector, Name):
            if isinstance(value, dict) and selector.name in value:
                yield self.visit(Node(value[selector.name], node, selector.name))
        elif isinstance(selector, (Index, Slice)):
            if isinstance(value, list):
                for index in _positions(selector, len(value)):
                    yield self.visit(Node(value[index], node, index))
        elif isinstance(selector, Filter):
            for child in self.children(node):
                if self.holds(selector.condition, child):
                    yield child
        else:
            yield from self.children(node)

    def holds(self, condition: Condition, node: Node) -> bool:
        if isinstance(condition, Comparison):
            left, right = self.value(condition.left, node), self.value(condition.right, node)
            return _compare(left, condition.operator, right)
        if isinstance(condition, Exists):
            return bool(self.nodes(condition.query, node))
        if isinstance(condition, Not):
            return not self.holds(condition.condition, node)
        test = all if isinstance(condition, AllOf) else any
        return test(self.holds(part, node) for part in condition.conditions)

    def value(self, value: Value, node: Node) -> Any:
        if isinstance(value, Literal):
            return value.value
        if isinstance(value, Call):
            return self.result(value, node)
        nodes = self.nodes(value, node)
        return nodes[0].value if nodes else NOTHING

    def result(self, call: Call, node: Node) -> Any:
        if call.function == "length":
            argument = self.value(call.argument, node)
            return len(argument) if isinstance(argument, (str, list, dict)) else NOTHING
        assert isinstance(call.argument, Query)
        nodes = self.nodes(call.argument, node)
        if call.function == "count":
            return len(nodes)
        return nodes[0].value if len(nodes) == 1 else NOTHING


def _positions(selector: Index | Slice, length: int) -> range:
    if isinstance(selector, Slice):
        start, end, step = selector
        return range(0) if step == 0 else range(*slice(start, end, step).indices(length))
    index = selector.position + length if selector.position < 0 else selector.position
    return range(index, index + 1) if 0 <= index < length else range(0)


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator in (">", ">="):
        left, right = right, left
        operator = operator.replace(">", "<")
    if operator != "<":
        equal = left is right if NOTHING in (left, right) else frozen(left) == frozen(right)
        if operator == "!=":
            return not equal
        if equal or operator == "==":
            return equal
    if NOTHING in (left, right) or kind(left) != kind(right) or kind(left) not in ("number", "string"):
        return False
    return bool(left < right)
