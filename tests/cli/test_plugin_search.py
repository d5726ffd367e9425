"""devkit plugin search and info of what is on offer: every source joined, and one that fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HOOKS = """\
from devkit_core.api import Found, Release, ReleaseNeed, Source, StateError, hookimpl, select


class Shop(Source):
    def __init__(self, name, rank, found, broken=False):
        self.name, self.rank, self.found, self.broken = name, rank, found, broken

    def folders(self):
        return ()

    def ask(self):
        if self.broken:
            raise StateError("the shelf fell down", code="state-unreadable", hint="Put it up.")
        return self.found

    def search(self, query):
        return select(self.ask(), query)

    def describe(self, plugin):
        return next((each for each in self.ask() if each.id == plugin), None)

    def versions(self, plugin):
        if not any(each.id == plugin for each in self.found):
            return ()
        need = (ReleaseNeed("python-runtime", ">=3.8"),)
        return [
            Release(plugin, version, "0" * 64, 10, self.name, needs=need, permissions=("system:info",),
                    yanked=version == "1.1.0")
            for version in ("1.2.0", "1.10.0", "1.1.0")
        ]


def paid(cents):
    return {"license": "Commercial", "is_free": False, "trial": {"duration_days": 14},
            "pricing": {"base_price": cents, "currency": "EUR", "billing_period": "Monthly"}}


@hookimpl
def devkit_register_sources():
    near = [
        Found("rust-lens", "Rust Lens", "1.10.0", "Looks at Rust", "near", ("rust",), {
            "author": "Ann", "category": "analysis", "licensing": {"is_free": True, "license": "MIT"},
            "publisher": {"name": "Ann", "verified": True}, "capabilities": ["CodeAnalysis"],
            "stats": {"rating": 4.5, "rating_count": 3, "downloads": 12},
            "updated_at": "2026-01-01T00:00:00Z"}),
        Found("both", "Both", "1.10.0", "Near", "near"),
    ]
    far = [
        Found("rusty", "Rusty", "1.10.0", "Sold", "far", (), {"licensing": paid(999)}),
        Found("both", "Both", "9.0.0", "Far", "far"),
    ]
    return [Shop("near", 500, near), Shop("far", 600, far), Shop("shelf", 700, [], broken=True)]
"""


@pytest.fixture
def shop(project, tmp_path: Path):
    """Run devkit in a project where an extension brings three sources, and no other extension is there."""
    site = tmp_path / "site"
    info = site / "shop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[devkit.extensions]\nshop = shop_hooks\n")
    (site / "shop_hooks.py").write_text(HOOKS)
    environ = project.environ(PYTHONPATH=str(site), DEVKIT_DISABLED_EXTENSIONS="marketplace")

    def run(*words: str, code: int = 0):
        done = project.run(*words, env=environ)
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


def search(shop, *words: str):
    return json.loads(shop("plugin", "search", *words, "--format", "json").stdout)


def test_all_sources_are_joined_and_the_nearer_one_counts(shop, project):
    project.plugin("both", version="0.5.0")
    found = search(shop)
    assert {each["id"]: (each["source"], each["version"]) for each in found["plugins"]} == {
        "rust-lens": ("near", "1.10.0"),
        "both": ("near", "1.10.0"),
        "rusty": ("far", "1.10.0"),
    }
    assert {each["id"]: each["here"] for each in found["plugins"]}["both"] == "0.5.0"
    assert found["total"] == 3
    assert found["problems"] == [
        {"source": "shelf", "code": "state-unreadable", "message": "the shelf fell down"}
    ]


def test_the_orders_and_filters_reach_all_of_them(shop):
    assert [each["id"] for each in search(shop, "rust")["plugins"]] == ["rust-lens", "rusty"]
    assert [each["id"] for each in search(shop, "--category", "analysis")["plugins"]] == ["rust-lens"]
    assert [each["id"] for each in search(shop, "--tag", "rust", "--tag", "x")["plugins"]] == ["rust-lens"]
    assert [each["id"] for each in search(shop, "--free-only", "--verified-only")["plugins"]] == ["rust-lens"]
    assert [each["id"] for each in search(shop, "--min-rating", "4.5")["plugins"]] == ["rust-lens"]
    page = search(shop, "--sort", "name", "--limit", "1", "--offset", "1")
    assert ([each["id"] for each in page["plugins"]], page["total"]) == (["rust-lens"], 3)


def test_the_table_and_what_is_said_beside_it(shop):
    done = shop("plugin", "search", "--sort", "price", "--limit", "2")
    assert done.stdout.decode().splitlines()[0].split() == [
        "ID", "VERSION", "HERE", "CATEGORY", "PRICE", "RATING", "DOWNLOADS", "DESCRIPTION",
    ]  # fmt: skip
    assert "9.99 EUR a month" in done.stdout.decode()
    said = done.stderr.decode()
    assert "1 to 2 of 3" in said
    assert "shelf: the shelf fell down" in said


def test_nothing_found_while_a_source_fails_is_that_failure(shop):
    assert b"error[state-unreadable]" in shop("plugin", "search", "nothing-like-it", code=1).stderr


@pytest.mark.parametrize(
    "words", [("--sort", "size"), ("--limit", "0"), ("--offset", "-1"), ("--min-rating", "6")]
)
def test_wrong_options(shop, words):
    shop("plugin", "search", *words, code=2)


def test_info_of_what_is_not_here(shop):
    found = json.loads(shop("plugin", "info", "rust-lens", "--format", "json").stdout)
    assert (found["folder"], found["version"], found["author"], found["license"]) == (
        None,
        "1.10.0",
        "Ann",
        "MIT",
    )
    (offer,) = found["offers"]
    assert [each["version"] for each in offer["releases"]] == ["1.10.0", "1.2.0", "1.1.0"]
    assert offer["category"] == "analysis"
    text = shop("plugin", "info", "rust-lens").stdout.decode()
    for shown in (
        "Ann (verified)", "4.5 of 5 by 3", "near: 1.10.0, 1.2.0, 1.1.0 (withdrawn)", "python-runtime >=3.8",
        "system:info", "devkit plugin install rust-lens", "CodeAnalysis",
    ):  # fmt: skip
        assert shown in text
    assert "9.99 EUR a month, 14 days on trial" in shop("plugin", "info", "rusty").stdout.decode()


def test_info_of_what_is_here_asks_only_where_told(shop, project):
    project.plugin("both", version="0.5.0")
    plain = shop("plugin", "info", "both", "--format", "json")
    assert json.loads(plain.stdout)["offers"] is None
    asked = json.loads(shop("plugin", "info", "both", "--offers", "--format", "json").stdout)
    assert [(each["source"], each["version"]) for each in asked["offers"]] == [
        ("near", "1.10.0"),
        ("far", "9.0.0"),
    ]
    assert asked["version"] == "0.5.0"
    assert (
        "near: 1.10.0, 1.2.0, 1.1.0 (withdrawn)" in shop("plugin", "info", "both", "--offers").stdout.decode()
    )


def test_info_of_what_nobody_has(shop):
    assert b"error[plugin-not-found]" in shop("plugin", "info", "nobody-has-it", code=3).stderr
