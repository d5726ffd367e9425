"""What docs/explanation/reliability.md promises is held by tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"


def test_the_tests_that_the_page_names_are_there():
    names = set(re.findall(r"[\w/]*test_\w+\.py", PAGE.read_text()))
    assert len(names) > 8
    for name in names:
        assert (ROOT / name).exists() or (Path(__file__).parent / name).exists(), name
