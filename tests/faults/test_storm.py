"""Kills, stops, garbage, reloads, timeouts and cancels at random times: every reply is counted.

The short form of `python tools/soak.py --faults 10000`; a process of its own, as what is left counts.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "tools" / "soak.py"


@pytest.mark.parametrize("seed", [11])
def test_no_reply_is_lost_or_doubled_and_nothing_is_left(seed):
    run = subprocess.run(
        [sys.executable, SOAK, "--faults", "300", "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.stdout, run.stderr
    seen = json.loads(run.stdout)
    assert seen["faults"] == 300
    assert seen["answered"] > 100
    assert seen["good"], run.stdout + run.stderr
    assert run.returncode == 0
    assert run.stderr == ""
