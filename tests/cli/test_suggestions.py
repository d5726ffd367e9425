"""Did you mean: near names, and nothing far."""

from devkit_core.cli.suggestions import did_you_mean


def test_near() -> None:
    assert did_you_mean("test-plugn", ["test-plugin", "json-tools"]) == "did you mean 'test-plugin'?"


def test_beginning() -> None:
    assert did_you_mean("tod", ["todo-scanner-for-everyone"]) == "did you mean 'todo-scanner-for-everyone'?"


def test_far_gives_nothing() -> None:
    assert did_you_mean("zzz", ["test-plugin"]) is None
    assert did_you_mean("x" * 100_000, ["test-plugin"]) is None
