"""Runs Python plugins in confined workers forked from a warm interpreter."""
