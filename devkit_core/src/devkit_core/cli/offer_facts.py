"""What a catalogue says of a plugin, as data and for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from devkit_core.cli.offers import Offer, price
from devkit_core.cli.output import Facts, Styled, View
from devkit_core.loading.offers import Found
from devkit_core.loading.searching import fact

__all__ = ["offer_data", "offer_manifest", "offer_view", "offered_lines"]


def offer_data(offer: Offer) -> dict[str, Any]:
    """Return one source's offer as `info` has it."""
    found = offer.found
    return {
        "source": found.source,
        "version": found.version,
        "releases": [
            {
                "version": each.version,
                "sha256": each.sha256,
                "size": each.size,
                "yanked": each.yanked,
                "permissions": list(each.permissions),
                "dependencies": [
                    {"id": need.id, "version": need.version, "optional": need.optional} for need in each.needs
                ],
            }
            for each in offer.releases
        ],
        **found.facts,
    }


def offer_manifest(offer: Offer) -> dict[str, Any]:
    """Return what is known of a plugin that is not here, under the names that `info` has for one that is."""
    found = offer.found
    newest = next((each for each in offer.releases if each.version == found.version), None)
    return {
        "source": found.source,
        "name": found.name,
        "version": found.version,
        "description": found.description,
        "author": fact(found, "author"),
        "license": fact(found, "licensing", "license"),
        "homepage": fact(found, "homepage"),
        "repository": fact(found, "repository"),
        "tags": list(found.tags),
        "created_at": fact(found, "created_at"),
        "updated_at": fact(found, "updated_at"),
        "capabilities": list(fact(found, "capabilities") or ()),
        "dependencies": [
            {"id": each.id, "version": each.version, "optional": each.optional}
            for each in (newest.needs if newest else ())
        ],
    }


def offer_view(offers: Sequence[Offer]) -> View:
    """Show a plugin that is not here, by its nearest offer, and how to install it."""
    offer = offers[0]
    found = offer.found
    about = offer_manifest(offer)
    rows: list[tuple[str, str | Styled]] = [("id", Styled(found.id, "accent"))]
    for key in ("name", "version", "description", "author", "license", "homepage", "repository"):
        if about[key]:
            rows.append((key, str(about[key])))
    for key in ("tags", "capabilities"):
        if about[key]:
            rows.append((key, ", ".join(map(str, about[key]))))
    rows += [(name, text) for name, text in _catalogue_rows(found) if text]
    rows += [("needs", "\n".join(f"{e['id']} {e['version']}" for e in about["dependencies"]))] * bool(
        about["dependencies"]
    )
    newest = next((each for each in offer.releases if each.version == found.version), None)
    if newest is not None and newest.permissions:
        rows.append(("asks for", ", ".join(newest.permissions)))
    rows += [("offered", text) for text in offered_lines([offer_data(each) for each in offers])]
    rows.append(("to install", Styled(f"devkit plugin install {found.id}", "good")))
    yield Facts(rows)


def offered_lines(offers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one line for each source: its name, and the versions that it has."""
    lines = []
    for each in offers:
        versions = [
            f"{release['version']} (withdrawn)" if release["yanked"] else release["version"]
            for release in each["releases"]
        ]
        lines.append(f"{each['source']}: {', '.join(versions) or 'nothing for this machine'}")
    return lines


def _catalogue_rows(found: Found) -> list[tuple[str, str]]:
    publisher = str(fact(found, "publisher", "name") or "")
    if publisher and fact(found, "publisher", "verified") is True:
        publisher += " (verified)"
    trial = fact(found, "licensing", "trial", "duration_days")
    rating, count = fact(found, "stats", "rating"), fact(found, "stats", "rating_count")
    downloads = fact(found, "stats", "downloads")
    return [
        ("category", str(fact(found, "category") or "")),
        ("publisher", publisher),
        ("price", (price(found) or "") + (f", {trial} days on trial" if trial else "")),
        ("rating", f"{rating:.1f} of 5 by {count}" if rating is not None else ""),
        ("downloads", str(downloads) if downloads is not None else ""),
        ("updated", str(fact(found, "updated_at") or "")),
    ]
