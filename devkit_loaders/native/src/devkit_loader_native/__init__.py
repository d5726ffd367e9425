"""Runs shared libraries as plugins, each in a confined worker."""
