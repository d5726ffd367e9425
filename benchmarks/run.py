"""Measures DevKit beside its peers: `python benchmarks/run.py [--only NAME] [--json] [--quick] [--write]`.

Contestants take turns, so that a busy moment of the machine meets all; a figure is the median of its rounds.
A peer that can't be had is skipped, with the reason. Nothing here judges a time: `--quick` shows that all
still runs. `--write` writes `RESULTS.md`, `results.json` and the chart of the docs after every family, so
that a run which is interrupted keeps what it has.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import calls
import hosting
import languages
import pages
from contest import judge, play
from machine import Quiet, describe

FAMILIES = {family.name: family for module in (calls, hosting, languages) for family in module.FAMILIES}
#: seconds that a whole run takes at most, what peers take to be installed apart
LONGEST = 660.0
#: seconds that a whole run may wait for other programs to leave the machine alone
PATIENCE = 60.0


def say(text: str) -> None:
    """Tell on stderr; stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def measure(name: str, quiet: Quiet, quick: bool, seconds: float) -> dict[str, Any]:
    """Run one family and return its results as data."""
    chosen = FAMILIES[name]
    say(f"{name}: {chosen.title.lower()} …")
    outcome = play(replace(chosen, seconds=min(chosen.seconds, seconds)), quiet, quick=quick, say=say)
    for who, why in outcome.skipped.items():
        say(f"{name}: skipped {who}: {why}")
    for who, why in outcome.failed.items():
        say(f"{name}: failed: {who}: {why}")
    return {
        "title": chosen.title,
        "about": chosen.about,
        "measured": time.strftime("%Y-%m-%d"),
        "seconds": round(outcome.seconds, 1),
        "busy": round(outcome.busy, 2),
        "rows": judge(chosen, outcome),
        "figures": {
            who: {metric: [float(f"{x:.4g}") for x in rounds] for metric, rounds in metrics.items()}
            for who, metrics in outcome.rounds.items()
        },
        "versions": outcome.versions,
        "skipped": outcome.skipped,
        "failed": outcome.failed,
    }


def incomplete(found: dict[str, Any]) -> bool:
    """Say whether a family failed, or DevKit in it."""
    return "rows" not in found or any(who.lower().startswith("devkit") for who in found["failed"])


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", choices=list(FAMILIES), action="append", help="a family; may be given again"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round of what is here")
    parser.add_argument("--write", action="store_true", help="write the results' page, data and chart")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("the figures of a quick run are not worth writing")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, quiet = time.monotonic(), Quiet(0.0 if options.quick else PATIENCE)
    results: dict[str, Any] = {"schema": "benchmarks/1", "machine": describe(), "families": {}}
    wanted, left = options.only or list(FAMILIES), LONGEST
    for number, name in enumerate(wanted):
        try:
            found = measure(name, quiet, options.quick, left / (len(wanted) - number) * 1.5)
            left -= found["seconds"]
        except KeyboardInterrupt:
            say(f"{name}: interrupted; what was measured before stays")
            results["families"][name] = {"failed": {name: "interrupted"}}
            break
        except Exception as error:  # the families after it still count
            say(f"{name}: failed: {type(error).__name__}: {error}")
            results["families"][name] = {"failed": {name: f"{type(error).__name__}: {error}"}}
            continue
        results["families"][name] = found
        if options.write:
            pages.write(results)
        if not options.json:
            print("\n".join(pages.table(found)), flush=True)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    say(f"{time.monotonic() - began:.0f} s; load average now {load}")
    if options.json:
        print(json.dumps(results, ensure_ascii=False, indent=1))
    return 1 if any(map(incomplete, results["families"].values())) else 0


if __name__ == "__main__":
    sys.exit(main())
