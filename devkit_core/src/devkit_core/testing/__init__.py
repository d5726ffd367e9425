"""For authors: the conformance suite, fakes, and a pytest plugin."""
