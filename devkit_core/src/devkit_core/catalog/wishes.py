"""What `install` was asked for: folder, file, address, repository, id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from devkit_core.errors import NotFound, Place, UsageError

__all__ = ["Wish", "parse_wish"]

Kind = Literal["path", "file", "https", "git", "id"]

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_ARCHIVE = re.compile(r"\.(dkp|tgz|tar\.gz|zip)\Z", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing to install. `origin` is what asks for the same again, with relative paths made absolute.

    `target` is the path, the address without what follows `#`, the repository's address, or the id.
    `revision` is a repository's branch, tag or commit; `sha256` what an archive has to have.
    """

    kind: Kind
    target: str
    origin: str
    revision: str = ""
    sha256: str = ""

    @property
    def lineage(self) -> str:
        """What stays the same while a plugin comes from the same hands: a host, a repository, this disk."""
        if self.kind == "https":
            parts = urlsplit(self.target)
            return f"https://{parts.hostname}:{parts.port or 443}"
        return f"git+{self.target}" if self.kind == "git" else "local"


def parse_wish(text: str, here: Path) -> Wish:
    """Read one argument of install; relative paths start at `here`.

    Raises UsageError `install-target`, NotFound `path-not-found`.
    """
    if not text or len(text) > _LONGEST or "\0" in text or "\n" in text:
        raise _refused(text, "it is empty or too long")
    if text.startswith("git+"):
        return _repository(text)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        return _address(text)
    if _ID.fullmatch(text):
        return Wish("id", text, text)
    path = here / Path(text).expanduser()
    if path.is_dir():
        return Wish("path", str(path.resolve()), str(path.resolve()))
    if path.exists():
        return Wish("file", str(path.resolve()), str(path.resolve()))
    if "/" in text or text.startswith(".") or _ARCHIVE.search(text):
        raise NotFound(f"there is no {text}", code="path-not-found", place=Place(str(path)))
    raise _refused(text, "it is no id, no path, and no https or git+ address")


def _address(text: str) -> Wish:
    parts = _split(text)
    if parts.scheme.lower() != "https":
        raise _refused(text, f"{parts.scheme}: isn't taken, only https: is")
    if parts.username is not None or parts.password is not None:
        raise _refused(text, "an address with a user name or a password would be written down")
    name, _, value = parts.fragment.partition("=")
    if parts.fragment and (name != "sha256" or not _SHA256.fullmatch(value)):
        raise _refused(text, "what follows `#` is `sha256=` and 64 hex digits, or nothing")
    return Wish("https", parts._replace(fragment="").geturl(), text, sha256=value.lower())


def _repository(text: str) -> Wish:
    address, at, revision = text.removeprefix("git+").rpartition("@")
    if not at or "/" not in address.partition("://")[2] or ("://" in revision):
        address, revision = text.removeprefix("git+"), ""
    parts = _split(address)
    if parts.scheme not in ("https", "ssh", "file") or parts.query or parts.fragment:
        raise _refused(text, "a repository is git+https://…, git+ssh://… or git+file://…, and then @REVISION")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise _refused(text, "an address with a password would be written down")
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise _refused(text, "that is no user name")
    if at and revision and not _REVISION.fullmatch(revision):
        raise _refused(text, "that is no branch, tag or commit")
    if not parts.path.startswith("/") or (parts.scheme == "file" and parts.netloc):
        raise _refused(text, "the path is missing")
    return Wish("git", address, text, revision=revision)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _refused(text, str(error)) from None
    host = parts.netloc.rpartition("@")[2]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _refused(text, "it has characters that an address doesn't have")
    if parts.scheme != "file" and not _HOST.fullmatch(name):
        raise _refused(text, "it has no host that could be one")
    return parts


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text[:200]!r} can't be installed: {why}",
        code="install-target",
        hint="Give an id, ./a/folder, a .dkp, .tar.gz or .zip file, https://…, or git+https://…@REVISION.",
    )
