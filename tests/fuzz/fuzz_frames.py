"""Fuzzes the host's end of a channel, guided by coverage: `fuzz_frames.py [-max_total_time=60] [FOLDER…]`.

Needs atheris. Options are libFuzzer's; the folders are read, and the first is added to. It begins with the
frames of sdk/vectors.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["devkit_core.protocol"]):
    sys.path.insert(0, str(Path(__file__).parent))
    from hostile_frames import watched

VECTORS = Path(__file__).parents[2] / "sdk" / "vectors" / "frames.json"


def seeds(folder: Path) -> None:
    """Write the frames that other tests hold every worker to, each as an input."""
    for number, each in enumerate(json.loads(VECTORS.read_text())["frames"]):
        (folder / f"{number}").write_bytes(b"\xff" + bytes.fromhex(each["bytes"]))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="devkit-fuzz-") as folder:
        seeds(Path(folder))
        atheris.Setup([*sys.argv, folder], lambda data: watched(data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
