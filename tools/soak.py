"""Puts plugins under faults or long load, and looks whether anything is lost or grows.

    python tools/soak.py --faults 10000      # so many faults at random times; every reply is counted
    python tools/soak.py --minutes 10        # load of all kinds; memory, descriptors, … may not grow

Prints a summary as JSON, on stdout; exits with 1 where something was wrong. `--seed` repeats the choices.
SIGUSR1 shows on stderr where every thread and task is.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


def storm(faults: int, seed: int) -> dict[str, Any]:
    """Run a storm and return what was seen."""
    from storm import Storm
    from weather import Faults

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="devkit-storm-") as root:
        outcome = asyncio.run(Storm(Path(root), seed).run(Faults(faults)))
    return {"seed": seed, "seconds": round(time.monotonic() - began, 1), **outcome.as_dict()}


def soak(minutes: float, seed: int) -> dict[str, Any]:
    """Keep plugins under load and return what was seen, with what grew."""
    from soaking import Soak
    from storm import Storm

    weather = Soak(minutes * 60)
    with tempfile.TemporaryDirectory(prefix="devkit-soak-") as root:
        outcome = asyncio.run(Storm(Path(root), seed, pause=0.01).run(weather))
    trends = weather.trends()
    good = outcome.good and not any(each["grown"] for each in trends.values())
    return {"seed": seed, "minutes": minutes, **outcome.as_dict(), "good": good, "trends": trends}


def show(*_: object) -> None:
    """Print the stacks of all threads, and of the tasks of all loops."""
    faulthandler.dump_traceback(all_threads=True)
    for task in list(asyncio.tasks._all_tasks):  # type: ignore[attr-defined] # of every loop, as no function gives
        task.print_stack(file=sys.stderr)


def main() -> int:
    signal.signal(signal.SIGUSR1, show)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--faults", type=int, metavar="N", help="let so many faults happen")
    what.add_argument("--minutes", type=float, metavar="M", help="keep up load for so long")
    parser.add_argument("--seed", type=int, default=1, help="another number makes other choices")
    given = parser.parse_args()
    summary = storm(given.faults, given.seed) if given.faults else soak(given.minutes, given.seed)
    print(json.dumps(summary, indent=2))
    return 0 if summary["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
