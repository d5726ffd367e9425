"""The benchmarks still run; their figures are nobody's business here."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"


def test_a_short_round():
    command = [sys.executable, RUN, "--quick", "--json", "--only", "calls", "--only", "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["DevKit, Python worker, confined"]["100 B, one at a time, µs"] > 0
