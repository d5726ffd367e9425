"""What authors of loaders and sources subclass.

Imports workers and below. Enter by `loader` and `source`.
"""
