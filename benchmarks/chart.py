"""Draws the chart of the docs as SVG, for light and dark pages."""

from __future__ import annotations

import statistics
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LABEL, VALUE, BAR, GAP = 860, 250, 110, 16, 6
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .note { fill: #57606a; font-size: 12px }
  .devkit { fill: #0969da }
  .peer { fill: #8c959f }
  .floor { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9da7b1 }
    .devkit { fill: #58a6ff }
    .peer { fill: #6e7681 }
    .floor { stroke: #9da7b1 }
  }
"""
#: family, metric, title, whether less is better
PANELS = (
    ("calls", "100 B one at a time, µs", "A call of 100 bytes, µs (less is better)"),
    ("flight", "100 B 64 in flight, calls/s", "64 calls in flight, calls a second (more is better)"),
    ("payloads", "1 MiB one at a time, µs", "A call of 1 MiB, µs (less is better)"),
    ("starts", "load to first answer, ms", "From load to the first answer, ms (less is better)"),
    ("starts", "idle plugin, each of 8, MiB", "Memory of an idle plugin, each of 8, MiB (less is better)"),
    ("commands", "start to end, ms", "A command's start to its end, ms (less is better)"),
)


def draw(families: dict[str, Any]) -> str:
    """Return the chart; panels without figures are left out."""
    body, summary, top = [], [], 34
    for family, metric, title in PANELS:
        figures = families.get(family, {}).get("figures", {})
        bars = {who: statistics.median(found[metric]) for who, found in figures.items() if metric in found}
        if not any(who.lower().startswith("devkit") for who in bars):
            continue
        order = sorted(bars.items(), key=lambda each: each[1], reverse=metric.endswith("/s"))
        summary.append(f"{title}: " + ", ".join(f"{who} {_short(value)}" for who, value in order))
        body.append(f'<text class="title" x="0" y="{top}">{escape(title)}</text>')
        top += 12
        longest = max(bars.values())
        for who, value in order:
            length = max(1.0, (WIDTH - LABEL - VALUE) * value / longest)
            kind = who.lower().split(maxsplit=1)[0].strip(",:")
            kind = kind if kind in {"floor", "devkit"} else "peer"
            middle = top + BAR - 4
            body.append(f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(who)}</text>')
            body.append(
                f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
            )
            body.append(f'<text x="{LABEL + length + 8:.1f}" y="{middle}">{_short(value)}</text>')
            top += BAR + GAP
        top += 34
    body.append(
        f'<text class="note" x="0" y="{top - 14}">Dashed: floors, bare frames over a socket pair with nothing'
        " around them. Medians of one run.</text>"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}"'
            f' height="{top}" role="img" aria-labelledby="title desc">',
            '<title id="title">DevKit beside its peers</title>',
            f'<desc id="desc">{escape(". ".join(summary))}.</desc>',
            f"<style>{STYLE}</style>",
            *body,
            "</svg>\n",
        ]
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
