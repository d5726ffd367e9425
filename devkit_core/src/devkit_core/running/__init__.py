"""Choosing a loader, starting instances, keeping them alive. Imports api and below."""
