"""The items of a Rust source, each with what stands inside it."""

from __future__ import annotations

from typing import Any

from syntax import Node, Source, is_test

KINDS = {
    "function_item": "function",
    "function_signature_item": "function",
    "struct_item": "struct",
    "enum_item": "enum",
    "union_item": "union",
    "trait_item": "trait",
    "impl_item": "impl",
    "mod_item": "module",
    "type_item": "type",
    "associated_type": "type",
    "const_item": "constant",
    "static_item": "static",
    "macro_definition": "macro",
}
_DEEPEST = 20


def outline(source: Source) -> list[dict[str, Any]]:
    """Return the items in order; modules, traits and impl blocks hold theirs under `items`."""
    return _items(source, source.root, 0)


def _items(source: Source, parent: Node, depth: int) -> list[dict[str, Any]]:
    found = []
    for node in parent.named_children:
        kind = KINDS.get(node.type)
        if kind is None:
            continue
        item: dict[str, Any] = {
            "kind": kind,
            "name": name_of(source, node),
            "line": node.start_point.row + 1,
            "end_line": node.end_point.row + 1,
            "public": any(child.type == "visibility_modifier" for child in node.children),
        }
        if kind in ("function", "struct", "enum", "trait"):
            item["signature"] = signature(source, node)
        doc = documentation(source, node)
        if doc:
            item["doc"] = doc
        if is_test(source, node):
            item["test"] = True
        body = node.child_by_field_name("body")
        if body is not None and kind in ("module", "trait", "impl") and depth < _DEEPEST:
            item["items"] = _items(source, body, depth + 1)
        found.append(item)
    return found


def name_of(source: Source, node: Node) -> str:
    """Return an item's name; of an impl block the type, and the trait that it is for."""
    if node.type != "impl_item":
        return source.text(node.child_by_field_name("name"))
    kind = source.text(node.child_by_field_name("type"))
    trait = source.text(node.child_by_field_name("trait"))
    return f"{trait} for {kind}" if trait else kind


def signature(source: Source, node: Node) -> str:
    """Return an item's source up to its body, on one line."""
    body = node.child_by_field_name("body")
    end = body.start_byte if body is not None else node.end_byte
    text = source.data[node.start_byte : end].decode("utf-8", "replace")
    return " ".join(text.rstrip(" ;\n").split())[:500]


def documentation(source: Source, node: Node) -> str:
    """Return the first line of the `///` comment before an item."""
    first = ""
    before = node.prev_sibling
    while before is not None and before.type in ("attribute_item", "line_comment"):
        if before.type == "line_comment":
            text = source.text(before)
            if not text.startswith("///") or text.startswith("////"):
                break
            first = text[3:].strip()
        before = before.prev_sibling
    return first[:200]
