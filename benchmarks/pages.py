"""Shows results: as lines on a terminal, and as `RESULTS.md`, `results.json` and the chart of the docs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chart

HERE = Path(__file__).resolve().parent
DATA, PAGE = HERE / "results.json", HERE / "RESULTS.md"
CHART = HERE.parent / "docs" / "explanation" / "benchmarks.svg"

Results = dict[str, Any]

HEAD = """# Results

Written by `python benchmarks/run.py --write`; [how to read this](../docs/explanation/benchmarks.md), and what
is not measured. Contestants of a family take turns in one run. A figure is the median of its rounds. The
ratio is DevKit's figure over the other's: under 1 is better for times and memory, over 1 for rates (calls/s).
DevKit's workers are confined; the peers' processes are not.
"""


def number(value: float | None) -> str:
    """Return a figure with three digits that count."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f}"


def _judged(row: Results) -> str:
    if row["bar"] is None:
        return ""
    return {True: "yes", False: "**no**", None: "not measured"}[row["met"]]


def _held(row: Results) -> str:
    """Return what is held against the bar."""
    if row["value"] is None or row["measure"] == "figure":
        return ""
    return number(row["value"]) if row["measure"] == "ratio" else f"{row['value']:+.2f} µs"


def table(family: Results) -> list[str]:
    """Return a family's rows for a terminal."""
    lines = [f"\n{family['title']}", f"  {'':58}{'DevKit':>10}{'peer':>10}{'ratio':>9}  {'bar':7} met"]
    for row in family["rows"]:
        met = {True: "yes", False: "NO", None: "" if row["bar"] is None else "?"}[row["met"]]
        lines.append(
            f"  {row['what']:58}{number(row['DevKit']):>10}{number(row['peer']):>10}{_held(row):>9}"
            f"  {row['bar'] or '':7} {met:4} {row['peer_name'] or ''}"
        )
    return lines


def write(results: Results) -> None:
    """Write what was measured, beside what other runs found of the families that this one left out."""
    known: Results = {}
    if DATA.exists():
        known = json.loads(DATA.read_text())
    families = {**known.get("families", {})}
    families.update({n: f for n, f in results["families"].items() if "rows" in f})
    merged = {**results, "families": families}
    DATA.write_text(json.dumps(merged, ensure_ascii=False, indent=1) + "\n")
    PAGE.write_text("\n".join(page(merged)) + "\n")
    CHART.write_text(chart.draw(families))


def page(results: Results) -> Iterator[str]:
    """Yield the lines of the results' page."""
    families: Results = results["families"]
    yield HEAD
    machine = results["machine"]
    yield (
        f"Machine: {machine['cores']} cores of {machine['processor']}, {machine['memory']},"
        f" {machine['system']}, Python {machine['python']}."
    )
    rows = [row for family in families.values() for row in family["rows"] if row["bar"] is not None]
    met = sum(row["met"] is True for row in rows)
    missing = sum(row["met"] is None for row in rows)
    yield f"\nOf {len(rows)} bars {met} are met, {len(rows) - met - missing} are not{_unmeasured(missing)}."
    for family in families.values():
        yield from _family(family)
    yield "\n## Everybody, in the same rounds\n"
    yield "Medians; behind a stroke the p99, or the slowest start.\n"
    for family in families.values():
        yield from _everybody(family)
    yield "\n## Versions\n"
    versions = {who: v for family in families.values() for who, v in family["versions"].items()}
    yield from (f"- {who}: {versions[who]}" for who in sorted(versions, key=str.lower))
    skipped = {who: why for family in families.values() for who, why in family["skipped"].items()}
    skipped |= {who: why for family in families.values() for who, why in family.get("failed", {}).items()}
    if skipped:
        yield "\n## Not measured\n"
        yield from (f"- {who}: {why}" for who, why in sorted(skipped.items()))


def _unmeasured(missing: int) -> str:
    return f", {missing} were not measured" if missing else ""


def _family(family: Results) -> Iterator[str]:
    yield f"\n## {family['title']}\n"
    if family["about"]:
        yield f"{family['about']}\n"
    yield "| what | DevKit | beside | ratio | bar | met |"
    yield "|---|--:|--:|--:|--:|---|"
    for row in family["rows"]:
        beside = f"{number(row['peer'])} ({row['peer_name']})" if row["peer_name"] else ""
        cells = [row["what"], number(row["DevKit"]), beside, _held(row), row["bar"] or "", _judged(row)]
        yield f"| {' | '.join(cells)} |"
    yield (
        f"\nMeasured on {family['measured']}, in {family['seconds']:.0f} s. Between rounds other programs"
        f" used {family['busy']:.0%} of the machine."
    )


def _everybody(family: Results) -> Iterator[str]:
    figures: dict[str, dict[str, list[float]]] = family["figures"]
    metrics = list(dict.fromkeys(metric for found in figures.values() for metric in found))
    shown = [metric for metric in metrics if "p99 " not in metric]
    if len(figures) < 2 or not shown:
        return
    yield f"\n| {family['title']} | {' | '.join(shown)} |"
    yield f"|---|{'--:|' * len(shown)}"
    for who, found in figures.items():
        cells = []
        for metric in shown:
            label, _, unit = metric.rpartition(", ")
            high = found.get(f"{label}, p99 {unit}" if label else f"p99 {unit}")
            middle = number(statistics.median(found[metric])) if metric in found else ""
            cells.append(f"{middle} / {number(statistics.median(high))}" if high else middle)
        yield f"| {who} | {' | '.join(cells)} |"
