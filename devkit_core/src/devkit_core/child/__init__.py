"""Runs inside a worker; the standard library only, nothing shared with the host."""
