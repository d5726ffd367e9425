"""devkit plugin search: what the sources offer, joined in one order."""

from __future__ import annotations

from typing import Any

import click

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.offers import price, searched
from devkit_core.cli.output import Styled, Table
from devkit_core.cli.session import Session
from devkit_core.loading.offers import Found, Query
from devkit_core.loading.searching import SORTS, fact

__all__ = ["search"]


@command(
    "search",
    examples=(
        "devkit plugin search rust",
        "devkit plugin search --category formatting --free-only",
        "devkit plugin search format --sort updated --limit 5 --format json",
    ),
)
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option("--category", metavar="NAME", help="Only plugins of this category.")
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help="Only plugins with this tag; of several, any."
)
@click.option("--free-only", is_flag=True, help="Only plugins that cost nothing.")
@click.option("--verified-only", is_flag=True, help="Only plugins whose publisher the source vouches for.")
@click.option(
    "--min-rating",
    type=click.FloatRange(0, 5),
    help="Only plugins rated so well, from 0 to 5.",
)
@click.option("--sort", type=click.Choice(list(SORTS)), default="relevance", help="The order (relevance).")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="At most this many (20).")
@click.option("--offset", type=click.IntRange(0, 1_000_000), default=0, help="Leave out this many first (0).")
@pass_session
def search(
    session: Session,
    words: tuple[str, ...],
    category: str | None,
    tags: tuple[str, ...],
    free_only: bool,
    verified_only: bool,
    min_rating: float | None,
    sort: str,
    limit: int,
    offset: int,
) -> None:
    """Show the plugins that can be installed, from every catalogue.

    Each WORD has to be in a plugin's id, name, tags or description. By relevance, a word counts most in the
    id, then in the name, the tags and the description, and more as a word of its own; downloads and rating
    decide between equals. A number that nobody has measured is shown as a dash.
    """
    query = Query(" ".join(words), category, tags, free_only, verified_only, min_rating, sort, limit, offset)
    result, problems = searched(session, query)
    here = {row.id: row.version for row in session.rows if row.shadowed_by is None and row.version}
    session.output.data(
        "plugin-search/1",
        {
            "total": result.total,
            "plugins": [_as_data(each, here.get(each.id)) for each in result.found],
            "problems": problems,
        },
        lambda: (
            [
                Table(
                    ("ID", "VERSION", "HERE", "CATEGORY", "PRICE", "RATING", "DOWNLOADS", "DESCRIPTION"),
                    [_row(each, here.get(each.id)) for each in result.found],
                )
            ]
            if result.found
            else []
        ),
    )
    if not result.total:
        session.output.say("nothing on offer matches; fewer words or filters find more")
    elif len(result.found) < result.total:
        first = f"{offset + 1} to {offset + len(result.found)}" if result.found else "none"
        session.output.say(f"{first} of {result.total}; --limit and --offset show others")


def _as_data(found: Found, here: str | None) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "version": found.version,
        "description": found.description,
        "source": found.source,
        "tags": list(found.tags),
        "here": here,
        "category": fact(found, "category"),
        "publisher": fact(found, "publisher"),
        "licensing": fact(found, "licensing"),
        "price": price(found),
        "rating": fact(found, "stats", "rating"),
        "downloads": fact(found, "stats", "downloads"),
        "updated_at": fact(found, "updated_at"),
    }


def _row(found: Found, here: str | None) -> tuple[str | Styled, ...]:
    rating, downloads = fact(found, "stats", "rating"), fact(found, "stats", "downloads")
    return (
        Styled(found.id, "accent"),
        found.version,
        here or "-",
        str(fact(found, "category") or "-"),
        price(found) or "-",
        "-" if rating is None else f"{rating:.1f}",
        "-" if downloads is None else str(downloads),
        found.description,
    )
