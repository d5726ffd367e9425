"""marketplace.toml and catalogue.toml: what they say, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ManifestError
from devkit_marketplace.describing import catalogue_file, marketplace_file
from devkit_marketplace.export import export

CATALOGUE = '[publishers.us]\nname = "Us"\nwebsite = "https://example.org"\nverified = true\n'
SOLD = """\
category = "generation"
publisher = "us"
issues = "https://example.org/issues"

[licensing]
license = "Commercial"
is_free = false

[licensing.pricing]
model = "Subscription"
base_price = 999
currency = "EUR"
billing_period = "Monthly"
tiers = [{ name = "Team", min_quantity = 2, max_quantity = 10, price_per_unit = 799 }]

[licensing.trial]
duration_days = 14
requires_card = true
"""


def test_all_of_it_is_in_the_listing(make, plugins, tmp_path):
    make("one", market=SOLD)
    (plugins / "catalogue.toml").write_text(f'name = "ours"\n{CATALOGUE}')
    root = export(plugins, tmp_path / "out")
    facts = root.plugins["one"].listing.facts()
    assert root.name == "ours"
    assert facts["category"] == "generation"
    assert facts["publisher"] == {
        "name": "Us", "email": None, "website": "https://example.org", "verified": True, "reputation": None,
    }  # fmt: skip
    assert facts["licensing"]["pricing"]["tiers"][0]["price_per_unit"] == 799
    assert facts["licensing"]["trial"] == {"duration_days": 14, "features": (), "requires_card": True}
    assert facts["stats"] == {
        "downloads": None, "active_installs": None, "recent_downloads": None, "rating": None,
        "rating_count": 0,
    }  # fmt: skip


def test_without_the_file_the_author_publishes_for_free_unverified(make, plugins, tmp_path):
    make("one")
    listing = export(plugins, tmp_path / "out").plugins["one"].listing
    assert (listing.publisher.name, listing.publisher.verified) == ("Somebody", False)
    assert (listing.licensing.is_free, listing.licensing.license) == (True, "MIT")
    assert listing.category is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("categry = 'x'\n", "`categry` is no key"),
        ("[licensing]\nfree = true\n", "`licensing.free` is no key"),
        ("category = 'Not A Word'\n", "category"),
        ("publisher = 'nobody'\n", "no such publisher"),
        ("issues = 'javascript:x'\n", "issues"),
        ("[licensing]\nis_free = false\n", "has a pricing"),
        ("[licensing]\n[licensing.pricing]\nmodel = 'OneTime'\nbase_price = 1\n", "not free"),
        ("[licensing]\n[licensing.pricing]\nmodel = 'Barter'\nbase_price = 1\n", "Barter"),
        ("[build]\ncommand = []\n", "build.command"),
        ("verified = true\n", "`verified` is no key"),
        ("= \n", "line 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(make, plugins, tmp_path, text, said):
    folder = make("one", market=text)
    with pytest.raises(ManifestError, match=said) as caught:
        export(plugins, tmp_path / "out")
    (problem,) = caught.value.problems
    assert problem.code == "catalogue-metadata"
    assert problem.place.path == str(folder / "marketplace.toml")


def test_a_wrong_catalogue_file(plugins):
    (plugins / "catalogue.toml").write_text("[publishers.x]\nreputation = 300\n")
    with pytest.raises(ManifestError):
        catalogue_file(plugins)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    (folder / "marketplace.toml").write_bytes(data)
    with contextlib.suppress(ManifestError):
        marketplace_file(folder)
