"""Writes the C declarations of the native loader in cffi's compiled form.

Run after a change of DECLARATIONS; `--check` only compares. With this form a worker needs neither a C
parser nor the time to parse.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).parents[1] / "devkit_loaders/native/src/devkit_loader_native/interface.py"

DECLARATIONS = """
typedef struct {
    const char *(*id)(void);
    const char *(*name)(void);
    const char *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *input);
    int (*shutdown)(void);
} PluginInterface;

typedef struct {
    size_t size;
    void (*log)(int level, const char *message);
    int (*event)(const char *name, const char *json);
    int (*progress)(double done, double total, const char *message);
    char *(*call)(const char *what, const char *data, size_t size, size_t *answer_size);
    void (*release)(char *answer);
} PluginHost;

typedef struct {
    const char *file;
    void *base;
    const char *name;
    void *address;
} Symbol;

void *dlopen(const char *file, int flags);
void *dlsym(void *library, const char *name);
char *dlerror(void);
int dladdr(const void *address, Symbol *symbol);
void *malloc(size_t size);
void free(void *memory);
int fflush(void *stream);
int setvbuf(void *stream, char *buffer, int mode, size_t size);
extern void *stdout;
"""

HEAD = '''"""The C declarations of the native loader, in cffi's compiled form."""

# Written by tools/generate_native_interface.py; the declarations stand there.
# fmt: off
# ruff: noqa: E501

import importlib
from typing import Any

_cffi_backend: Any = importlib.import_module("_cffi_backend")  # it has no types

'''


def generate() -> str:
    """Return the module's text."""
    from cffi import FFI

    builder = FFI()
    builder.cdef(DECLARATIONS)
    builder.set_source("devkit_loader_native.interface", None)
    with tempfile.NamedTemporaryFile("r", suffix=".py") as made:
        builder.emit_python_code(made.name)
        text = Path(made.name).read_text("utf-8")
    body = text[text.index("ffi = ") :].rstrip()
    return HEAD + re.sub(r"^ffi = ", "ffi: Any = ", body) + "\n"


def main() -> int:
    text = generate()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text("utf-8") == text:
            return 0
        sys.stderr.write(f"{TARGET} is out of date: run tools/generate_native_interface.py\n")
        return 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
