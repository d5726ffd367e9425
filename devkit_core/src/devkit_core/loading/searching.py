"""What a search means: filters, relevance, six orders, one page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from devkit_core.errors import UsageError
from devkit_core.loading.offers import Found, Query, SearchResult

__all__ = ["SORTS", "fact", "relevance", "select"]

#: how much a word counts by where it stands; a whole word counts twice its part
_WEIGHTS = {"id": 8.0, "name": 6.0, "tags": 4.0, "description": 2.0}
_WORDS = re.compile(r"[^\W_]+")


def select(offered: Iterable[Found], query: Query) -> SearchResult:
    """Return the page of what matches a query; of two with one id the first counts.

    Called by sources that have all they offer at hand, and by the core, which joins the answers of all
    sources by it. Raises UsageError for a sort there isn't, and a limit or offset below 0.
    """
    order = SORTS.get(query.sort)
    if order is None:
        raise UsageError(f"there is no sort {query.sort!r}", hint=f"One of {', '.join(SORTS)}.")
    if query.limit < 0 or query.offset < 0:
        raise UsageError("the limit and the offset of a search can't be below 0")
    words = query.text.casefold().split()
    firsts: dict[str, Found] = {}
    for each in offered:
        firsts.setdefault(each.id, each)
    scored = [(relevance(each, words), each) for each in firsts.values() if _passes(each, query)]
    matching = [(score, each) for score, each in scored if score > 0]
    matching.sort(key=lambda pair: (*order(*pair), pair[1].id))
    page = matching[query.offset : query.offset + query.limit]
    return SearchResult(tuple(each for _, each in page), len(matching))


def relevance(found: Found, words: Iterable[str]) -> float:
    """Return how well the text of a plugin fits casefolded words: 0 where one of them is nowhere in it.

    Without words everything fits alike.
    """
    texts = {
        "id": found.id.casefold(),
        "name": found.name.casefold(),
        "tags": " ".join(found.tags).casefold(),
        "description": found.description.casefold(),
    }
    whole = {place: set(_WORDS.findall(text)) for place, text in texts.items()}
    total = 1.0
    for word in words:
        score = 0.0
        for place, text in texts.items():
            if word in text:
                score += _WEIGHTS[place] * (2 if word in whole[place] or word == text else 1)
        if not score:
            return 0.0
        total += score
    return total


def fact(found: Found, *keys: str) -> Any:
    """Return an inner value of what a source knows, or None where it doesn't."""
    value: Any = found.facts
    for key in keys:
        value = value.get(key) if hasattr(value, "get") else None
    return value


def _passes(found: Found, query: Query) -> bool:
    if query.category is not None:
        category = fact(found, "category")
        if not isinstance(category, str) or category.casefold() != query.category.casefold():
            return False
    if query.tags and not {t.casefold() for t in query.tags} & {t.casefold() for t in found.tags}:
        return False
    if query.free_only and fact(found, "licensing", "is_free") is not True:
        return False
    if query.verified_only and fact(found, "publisher", "verified") is not True:
        return False
    return query.min_rating is None or _number(found, "stats", "rating", missing=-1) >= query.min_rating


def _number(found: Found, *keys: str, missing: float) -> float:
    value = fact(found, *keys)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return missing


def _popularity(found: Found) -> float:
    """The original's order: downloads times rating, as far as they are known."""
    return _number(found, "stats", "downloads", missing=0) * _number(found, "stats", "rating", missing=0)


def _price(found: Found) -> float:
    """Cents, or infinity where a plugin isn't free and has no price."""
    if fact(found, "licensing", "is_free") is True:
        return 0
    return _number(found, "licensing", "pricing", "base_price", missing=math.inf)


def _descending(text: str) -> tuple[int, ...]:
    return (*(-ord(each) for each in text), 1)


#: the orders of a search, each a key of (relevance, plugin); equal ones stand in order of id
SORTS: dict[str, Callable[[float, Found], tuple[Any, ...]]] = {
    "relevance": lambda score, found: (-score, -_popularity(found)),
    "downloads": lambda score, found: (-_number(found, "stats", "downloads", missing=-1),),
    "rating": lambda score, found: (-_number(found, "stats", "rating", missing=-1),),
    "updated": lambda score, found: (_descending(str(fact(found, "updated_at") or "")),),
    "name": lambda score, found: (found.name.casefold(),),
    "price": lambda score, found: (_price(found),),
}
