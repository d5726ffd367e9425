"""An error's event names the file and line of the plugin that are to blame."""

from pathlib import Path

import pytest

from devkit_core.errors import LoadError, ManifestError, Place, PluginRaised, Problem
from devkit_core.running.failures import blamed, place_in, told

FOLDER = Path("/srv/plugins/one")
PYTHON = """Traceback (most recent call last):
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
  File "/srv/plugins/one/plugin.py", line 12, in execute
    part.do()
  File "/srv/plugins/one/pack/part.py", line 7, in do
    raise ValueError("no")
  File "/usr/lib/python3.11/json/decoder.py", line 337, in decode
ValueError: no"""
NODE = """Error: no
    at deep (file:///srv/plugins/one/src/deep.ts:3:9)
    at execute (/srv/plugins/one/plugin.js:20:5)
    at node:internal/process:95:5"""


def test_blame_falls_on_the_line_or_on_the_entry_point():
    entry = FOLDER / "plugin.py"
    error = LoadError("no")
    assert blamed(error, FOLDER, entry) == Place(str(entry))
    error.traceback = PYTHON
    assert blamed(error, FOLDER, entry) == Place("/srv/plugins/one/pack/part.py", 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PYTHON, ("/srv/plugins/one/pack/part.py", 7)),
        (NODE, ("/srv/plugins/one/src/deep.ts", 3)),
        ("/srv/plugins/one/plugin.c:4:2: error: expected ';'", ("/srv/plugins/one/plugin.c", 4)),
        ("/srv/plugins/other/plugin.py:4: no", None),
        ('File "/srv/plugins/one-more/plugin.py", line 3', None),
        ("", None),
        ("no place at all: 17", None),
    ],
)
def test_places(text, expected):
    assert place_in(text, FOLDER) == expected


def test_places_through_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert place_in(f'File "{real}/plugin.py", line 3', link) == (f"{real}/plugin.py", 3)


def test_the_errors_own_place_goes_first():
    error = ManifestError([Problem("manifest-syntax", "no", Place("/srv/plugins/one/plugin.toml", 4))])
    assert told(error, FOLDER) == {
        "code": "manifest-syntax", "message": error.message,
        "path": "/srv/plugins/one/plugin.toml", "line": 4,
    }  # fmt: skip


def test_a_traceback_is_read():
    error = PluginRaised("no", kind="ValueError", traceback=PYTHON)
    assert told(error, FOLDER)["line"] == 7
    assert told(error)["line"] is None


def test_long_messages_are_cut():
    assert len(told(LoadError("x" * 100_000), FOLDER)["message"]) == 2000


def test_hostile_tracebacks_take_no_time():
    place_in('File "/srv/plugins/one/' * 20_000, FOLDER)
    place_in("/srv/plugins/one/a" * 20_000, FOLDER)
