"""Runs Python plugins, each in a confined worker forked from a warm interpreter."""
