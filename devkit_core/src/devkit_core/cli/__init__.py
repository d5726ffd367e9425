"""The devkit command: parse, one call, output. Nothing imports it."""
