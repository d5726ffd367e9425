"""Writes the JSON Schemas that are made from the types, or checks that they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from devkit_core.model.schema import plugin_schema_text

ROOT = Path(__file__).resolve().parents[1]
#: each schema's text and the files that hold it: one for people and editors, one inside the package
SCHEMAS = {
    plugin_schema_text: (
        ROOT / "schemas" / "plugin.schema.json",
        ROOT / "devkit_core" / "src" / "devkit_core" / "data" / "schemas" / "plugin.schema.json",
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is not up to date"
    )
    check = parser.parse_args().check
    stale = 0
    for make, files in SCHEMAS.items():
        text = make()
        for file in files:
            if file.is_file() and file.read_text(encoding="utf-8") == text:
                continue
            stale += 1
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            print(f"{'stale' if check else 'wrote'} {file.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
