"""Reading modules: what toolchains make, and bytes that no toolchain makes."""

from contextlib import suppress

import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from devkit_loader_wasm.sections import Malformed, Module, Signature, read

TEXT = """(module
  (type $far (func (param i32 i64 f32 f64) (result i64)))
  (import "a" "f" (func (param i32)))
  (import "a" "t" (table 1 2 funcref))
  (import "b" "m" (memory 1 9))
  (import "b" "g" (global (mut i64)))
  (func $own (export "own") (type $far) (i64.const 1))
  (func $start)
  (export "again" (func $own))
  (export "imported" (func 0))
  (export "m" (memory 0))
  (start $start))"""
MODULE = bytes(wasmtime.wat2wasm(TEXT))


def test_imports_exports_and_signatures():
    assert read(MODULE) == Module(
        imports=(("a", "f", "func"), ("a", "t", "table"), ("b", "m", "memory"), ("b", "g", "global")),
        exports={"own": "func", "again": "func", "imported": "func", "m": "memory"},
        functions={
            "own": Signature(("i32", "i64", "f32", "f64"), ("i64",)),
            "again": Signature(("i32", "i64", "f32", "f64"), ("i64",)),
            "imported": Signature(("i32",), ()),
        },
        starts=True,
    )


def test_a_module_with_many_types():
    types = "".join(
        f"(type (func {'(param i32)' * (n % 9)} {'(result i64)' * (n // 9 % 20)}))" for n in range(180)
    )
    funcs = "(func (type 9) (i64.const 0))" * 3 + '(func (export "f") (type 130) unreachable)'
    found = read(bytes(wasmtime.wat2wasm(f"(module {types}{funcs})")))
    assert found.functions == {"f": Signature(("i32",) * 4, ("i64",) * 14)}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for candidate in (data, MODULE[:8] + data):
        with suppress(Malformed):
            read(candidate)


@given(st.integers(8, len(MODULE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(at, value):
    for candidate in (MODULE[:at] + bytes([value]) + MODULE[at + 1 :], MODULE[:at]):
        with suppress(Malformed):
            read(candidate)
