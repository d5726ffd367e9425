"""Catalogues of plugins: static indexes, and the one that DevKit brings."""
