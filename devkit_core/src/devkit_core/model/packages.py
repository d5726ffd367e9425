"""The grammar of what is asked of a package index for Python."""

from __future__ import annotations

from devkit_core.errors import UsageError

__all__ = ["parse_package"]

_LONGEST = 500


def parse_package(text: str) -> str:
    """Return a requirement, as `Black[d] >= 24`, in its one spelling: `black[d]>=24`.

    A name, extras, versions and a marker, at most 500 characters. An address, a path or an installer's
    option is a UsageError `python-requirement-invalid`: nothing that leads past the index.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    if len(text) > _LONGEST:
        raise _invalid(f"the requirement has {len(text)} characters; {_LONGEST} are allowed")
    try:
        asked = Requirement(text)
    except (InvalidRequirement, RecursionError):
        raise _invalid(f"{text[:80]!r} is no requirement of a Python package") from None
    if asked.url is not None:
        raise _invalid(f"{asked.name!r} is asked for by an address")
    extras = ",".join(sorted(canonicalize_name(extra) for extra in asked.extras))
    versions = ",".join(sorted(str(each) for each in asked.specifier))
    marker = f" ; {asked.marker}" if asked.marker else ""
    return f"{canonicalize_name(asked.name)}{f'[{extras}]' if extras else ''}{versions}{marker}"


def _invalid(message: str) -> UsageError:
    return UsageError(
        message,
        code="python-requirement-invalid",
        hint="write a name and versions, as `black>=24`; other packages go into the plugin's folder",
    )
