"""What a catalogue says about a plugin, as its files have it."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "FORMAT",
    "Archive",
    "BillingPeriod",
    "Build",
    "CatalogueFile",
    "Digest",
    "Entry",
    "Licensing",
    "Listing",
    "MarketplaceFile",
    "Missing",
    "Need",
    "Pricing",
    "PricingModel",
    "Publisher",
    "Record",
    "ReleaseRecord",
    "Root",
    "Stats",
    "Tier",
    "Trial",
]

FORMAT = 1

Id = Annotated[str, Meta(pattern="^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(ge=0, le=1 << 40)]
Text = Annotated[str, Meta(max_length=1000)]
Line = Annotated[str, Meta(max_length=200)]
Word = Annotated[str, Meta(pattern="^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$")]
Address = Annotated[str, Meta(pattern="^https?://", max_length=500)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Count = Annotated[int, Meta(ge=0)]
Cents = Annotated[int, Meta(ge=0, le=10**12)]


class PricingModel(enum.Enum):
    """How a plugin is paid for."""

    ONE_TIME = "OneTime"
    SUBSCRIPTION = "Subscription"
    PAY_PER_USE = "PayPerUse"
    FREEMIUM = "Freemium"
    ENTERPRISE = "Enterprise"


class BillingPeriod(enum.Enum):
    """How often a subscription is paid for."""

    MONTHLY = "Monthly"
    QUARTERLY = "Quarterly"
    YEARLY = "Yearly"


class Tier(Struct, frozen=True, kw_only=True):
    """A price per unit for a range of quantities, in cents."""

    name: Line
    min_quantity: Annotated[int, Meta(ge=1)]
    max_quantity: Annotated[int, Meta(ge=1)] | None = None
    price_per_unit: Cents
    features: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()


class Pricing(Struct, frozen=True, kw_only=True):
    """What a plugin costs: `base_price` in cents of `currency`."""

    model: PricingModel
    base_price: Cents
    currency: Currency = "USD"
    billing_period: BillingPeriod | None = None
    tiers: Annotated[tuple[Tier, ...], Meta(max_length=20)] = ()


class Trial(Struct, frozen=True, kw_only=True):
    """How long a plugin can be tried before it is paid for."""

    duration_days: Annotated[int, Meta(ge=1, le=3660)]
    features: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()
    requires_card: bool = False


class Licensing(Struct, frozen=True, kw_only=True):
    """Under which licence a plugin is given, and for what; free where no pricing is there."""

    license: Line | None = None
    is_free: bool = True
    pricing: Pricing | None = None
    trial: Trial | None = None

    def __post_init__(self) -> None:
        if self.is_free and self.pricing is not None and self.pricing.model is not PricingModel.FREEMIUM:
            raise ValueError("a plugin with a price is not free")
        if not self.is_free and self.pricing is None:
            raise ValueError("a plugin that is not free has a pricing")


class Publisher(Struct, frozen=True, kw_only=True):
    """Who publishes a plugin; `verified` is the word of whoever keeps the catalogue, never their own.

    `reputation` is from 0 to 100, or None where nobody measures it.
    """

    name: Line
    email: Line | None = None
    website: Address | None = None
    verified: bool = False
    reputation: Annotated[int, Meta(ge=0, le=100)] | None = None


class Stats(Struct, frozen=True, kw_only=True):
    """What users did; None is what nobody counted, and a file alone counts nothing."""

    downloads: Count | None = None
    active_installs: Count | None = None
    recent_downloads: Count | None = None
    rating: Annotated[float, Meta(ge=0, le=5)] | None = None
    rating_count: Count = 0


class Listing(Struct, frozen=True, kw_only=True):
    """A plugin as search sees it: its newest version's manifest, and what the catalogue adds."""

    name: Line
    version: Line
    description: Text
    author: Line
    tags: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()
    capabilities: Annotated[tuple[Line, ...], Meta(max_length=100)] = ()
    category: Word | None = None
    homepage: Line | None = None
    repository: Line | None = None
    documentation: Address | None = None
    issues: Address | None = None
    created_at: Line | None = None
    updated_at: Line | None = None
    publisher: Publisher
    licensing: Licensing
    stats: Stats = Stats()

    def facts(self) -> dict[str, Any]:
        """Return what `Found` has no field for, JSON-ready."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        for key in ("name", "version", "description", "tags"):
            del facts[key]
        return facts


class Digest(Struct, frozen=True, kw_only=True):
    """The hash and the size in bytes of a file."""

    sha256: Hash
    size: Size


class Entry(Struct, frozen=True, kw_only=True):
    """One plugin in the root: what search needs, and the hash of its record `index/ID.json`."""

    listing: Listing
    record: Digest


class Missing(Struct, frozen=True, kw_only=True):
    """A release that this catalogue could not be given, and why."""

    id: Line
    version: Line
    reason: Text


class Root(Struct, frozen=True, kw_only=True):
    """`index.json`: every plugin; whoever trusts these bytes can check everything else by them."""

    format: int
    name: Word
    plugins: dict[Id, Entry] = {}
    not_built: tuple[Missing, ...] = ()


class Need(Struct, frozen=True, kw_only=True):
    """What a release needs, as its manifest's `[[dependencies]]` say it."""

    id: Id
    version: Line = "*"
    optional: bool = False


class Archive(Struct, frozen=True, kw_only=True):
    """A release's package for one platform: `linux-x86_64`, or `any`."""

    platform: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9_]+)?$", max_length=50)]
    path: Annotated[
        str, Meta(pattern=r"^archives/[a-z0-9-]+/[A-Za-z0-9][A-Za-z0-9._+-]*\.dkp$", max_length=250)
    ]
    sha256: Hash
    size: Size


class ReleaseRecord(Struct, frozen=True, kw_only=True):
    """One version of a plugin; what it says about the archives is held against their manifests."""

    version: Line
    archives: Annotated[tuple[Archive, ...], Meta(min_length=1, max_length=50)]
    requires: Annotated[tuple[Need, ...], Meta(max_length=100)] = ()
    permissions: Annotated[tuple[Annotated[str, Meta(max_length=1024)], ...], Meta(max_length=100)] = ()
    min_devkit_version: Line | None = None
    max_devkit_version: Line | None = None
    updated_at: Line | None = None
    yanked: bool = False


class Record(Struct, frozen=True, kw_only=True):
    """`index/ID.json`: every release of one plugin, newest first."""

    format: int
    id: Id
    releases: Annotated[tuple[ReleaseRecord, ...], Meta(max_length=1000)] = ()


class Build(Struct, frozen=True, kw_only=True):
    """How a package is made from its sources: a program and its arguments, run in a copy of the folder."""

    command: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1, max_length=100)]


class MarketplaceFile(Struct, frozen=True, kw_only=True):
    """`marketplace.toml` beside a `plugin.toml`: what a catalogue says and a manifest doesn't."""

    category: Word | None = None
    publisher: Word | None = None
    documentation: Address | None = None
    issues: Address | None = None
    yanked: bool = False
    licensing: Licensing | None = None
    build: Build | None = None


class CatalogueFile(Struct, frozen=True, kw_only=True):
    """`catalogue.toml` beside the plugins: the catalogue's name, and the publishers it knows."""

    name: Word = "catalogue"
    publishers: dict[Word, Publisher] = {}
