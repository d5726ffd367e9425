"""Runs WebAssembly plugins in the host's process, with wasmtime as their boundary."""
