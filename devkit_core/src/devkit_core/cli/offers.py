"""What the sources offer, asked together; one that fails hides no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from devkit_core.cli.session import Session
from devkit_core.errors import ConfigError, DevKitError
from devkit_core.loading.offers import Found, Query, Release, SearchResult
from devkit_core.loading.searching import fact, select
from devkit_core.loading.source import Source

__all__ = ["Offer", "described", "price", "searched"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one source says of a plugin, and its releases for this machine, newest first."""

    found: Found
    releases: tuple[Release, ...]


def searched(session: Session, query: Query) -> tuple[SearchResult, list[dict[str, Any]]]:
    """Return the page of a search over all sources, and what those said that failed.

    Raises the error of a source where one failed and no other found anything, and a ConfigError always.
    """
    wide = replace(query, limit=query.offset + query.limit, offset=0)
    results, failed = _asked(session, lambda source: source.search(wide))
    page = select((each for result in results for each in result.found), query)
    unseen = sum(result.total - len(result.found) for result in results)
    if failed and not page.total:
        raise failed[0][1]
    return replace(page, total=page.total + unseen), _told(session, failed)


def described(session: Session, plugin: str) -> tuple[list[Offer], list[dict[str, Any]]]:
    """Return what the sources that offer a plugin say, nearest first, and what failed; as `searched`."""

    def ask(source: Source) -> Offer | None:
        from devkit_core.model.versions import parse_version

        found = source.describe(plugin)
        if found is None:
            return None
        releases = sorted(source.versions(plugin), key=lambda each: parse_version(each.version), reverse=True)
        return Offer(found, tuple(releases))

    answers, failed = _asked(session, ask)
    return [each for each in answers if each is not None], _told(session, failed)


def price(found: Found) -> str | None:
    """Return what a plugin costs, as `free` or `9.99 USD a month`, or None where nobody says."""
    if fact(found, "licensing", "is_free") is True:
        return "free"
    cents = fact(found, "licensing", "pricing", "base_price")
    if not isinstance(cents, int):
        return None
    period = {"Monthly": " a month", "Quarterly": " a quarter", "Yearly": " a year"}
    every = period.get(str(fact(found, "licensing", "pricing", "billing_period")), "")
    return f"{cents // 100}.{cents % 100:02d} {fact(found, 'licensing', 'pricing', 'currency')}{every}"


def _asked(session: Session, ask: Callable[[Source], T]) -> tuple[list[T], list[tuple[Source, DevKitError]]]:
    answers: list[T] = []
    failed: list[tuple[Source, DevKitError]] = []
    for source in sorted(session.sources(), key=lambda each: each.rank):
        try:
            answers.append(ask(source))
        except ConfigError:
            raise
        except DevKitError as error:
            failed.append((source, error))
    return answers, failed


def _told(session: Session, failed: list[tuple[Source, DevKitError]]) -> list[dict[str, Any]]:
    for source, error in failed:
        session.output.warn(f"{source.name}: {error.message}", hint=error.hint)
    return [{"source": source.name, "code": error.code, "message": error.message} for source, error in failed]
