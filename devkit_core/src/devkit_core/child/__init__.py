"""Runs inside a worker: the standard library only, nothing of the host."""
