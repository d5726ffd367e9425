"""Errors are laid out as the reference says, and foreign text in them is harmless."""

import json

from devkit_core import errors
from devkit_core.cli.errors import as_document, render
from devkit_core.errors import ManifestError, Place, PluginRaised, Problem, UsageError


def test_place_source_line_and_caret() -> None:
    place = Place("plugin.toml", 12, 1, "capabilites", 'capabilites = ["x"]')
    error = UsageError(
        "unknown key 'capabilites'",
        code="manifest-unknown-key",
        place=place,
        hint="did you mean 'capabilities'?",
    )
    assert render(error) == (
        "error[manifest-unknown-key]: unknown key 'capabilites'\n"
        "  --> plugin.toml:12:1\n"
        "   |\n"
        '12 | capabilites = ["x"]\n'
        "   | ^^^^^^^^^^^\n"
        "  = help: did you mean 'capabilities'?\n"
        "  = note: devkit explain manifest-unknown-key"
    )


def test_without_a_place() -> None:
    assert render(UsageError("no")) == "error[usage]: no\n  = note: devkit explain usage"


def test_all_problems_of_a_manifest_are_shown() -> None:
    problems = [
        Problem("manifest-missing-key", "no version", Place("plugin.toml", 1)),
        Problem("manifest-unknown-key", "unknown key", Place("plugin.toml", 9, 3), warning=True),
    ]
    text = render(ManifestError(problems))
    assert "error[manifest-missing-key]: no version\n  --> plugin.toml:1" in text
    assert "warning[manifest-unknown-key]: unknown key\n  --> plugin.toml:9:3" in text


def test_the_plugins_traceback_is_shown_and_escaped() -> None:
    error = PluginRaised(
        "ValueError: bad", kind="ValueError", traceback='File "plugin.py", line 3\n\x1b[2Jboom\n'
    )
    text = render(error)
    assert '  File "plugin.py", line 3\n' in text
    assert "\\x1b[2Jboom" in text
    assert "\x1b" not in text


def test_hostile_source_lines_keep_the_caret_in_place() -> None:
    place = Place("p\x1b.toml", 1, 4, None, "a\tb\x1b]0;" + "x" * 5000)
    text = render(UsageError("\x1bbad", place=place, hint="a\nb"))
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) < 300
    assert text.splitlines()[4].endswith("   ^^^^")  # \x1b is shown in four columns


def test_wide_characters_before_the_caret() -> None:
    text = render(UsageError("bad", place=Place("p", 1, 3, "k", "日本k = 1")))
    assert text.splitlines()[4] == "   |     ^"


def test_colour_is_only_ours() -> None:
    text = render(UsageError("m", place=Place("p", 1, 1, None, "x")), colour=True)
    assert text.startswith("\x1b[31m\x1b[1merror[usage]\x1b[0m: m")


def test_json_is_one_object() -> None:
    document = json.loads(as_document(PluginRaised("m", kind="K", traceback="t", plugin="p")))
    assert document["schema"] == "error/1"
    assert document["exit_code"] == 1
    assert document["error"]["kind"] == "K"
    assert document["error"]["plugin"] == "p"


def test_every_error_of_the_tree_can_be_rendered() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not (isinstance(kind, type) and issubclass(kind, errors.DevKitError)) or kind is ManifestError:
            continue
        assert render(kind("message")).startswith(f"error[{kind.code}]: message")
