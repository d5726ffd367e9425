"""Fetches a file by https, within bounds, and never anything else."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from devkit_core.errors import ArchiveRefused, NetworkError

if TYPE_CHECKING:
    import ssl

__all__ = ["download"]

_CHUNK = 1 << 16
_IDLE_SECONDS = 30.0
_SECONDS = 600.0


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects from https to https; nothing that names a user goes along."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        parts = urlsplit(newurl)
        if parts.scheme != "https" or "@" in parts.netloc:
            fp.close()
            raise NetworkError(
                f"{req.full_url} leads to {newurl[:200]!r}, which isn't plain https",
                code="download-refused",
                hint="Name the address that it should lead to, if you trust it.",
            )
        return urllib.request.Request(newurl, headers={"User-Agent": "devkit"}, method="GET")  # noqa: S310


def download(
    address: str,
    target: Path,
    *,
    limit: int,
    context: ssl.SSLContext | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write what an https address gives to a new file, at most `limit` bytes.

    Sends no credentials and keeps no cookies; obeys `https_proxy`. Raises NetworkError, ArchiveRefused
    where it is too large, OSError of the disk; the file is the caller's to remove.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        _OnlyHttps(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(  # noqa: S310 - the opener knows https alone
        address, headers={"User-Agent": "devkit", "Accept-Encoding": "identity"}
    )
    deadline = clock() + _SECONDS
    try:
        with opener.open(request, timeout=_IDLE_SECONDS) as answer:
            declared = answer.headers.get("Content-Length", "")
            promised = int(declared) if declared.isascii() and declared.isdigit() else None
            if promised is not None and promised > limit:
                raise _too_large(address, limit)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(target, flags, 0o600), "wb") as file:
                total = _copy(answer.read1, file, limit, address, lambda: clock() > deadline)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(address, f"the server answers {error.code} {error.reason}"[:200]) from None
    except urllib.error.URLError as error:
        raise _failed(address, str(error.reason)) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _failed(address, str(error) or type(error).__name__) from error
    if promised is not None and total != promised:
        raise _failed(address, f"the answer ended after {total} of {promised} bytes")


def _copy(
    read: Callable[[int], bytes], file: IO[bytes], limit: int, address: str, late: Callable[[], bool]
) -> int:
    total = 0
    while piece := read(_CHUNK):
        total += len(piece)
        if total > limit:
            raise _too_large(address, limit)
        if late():
            raise _failed(address, f"it took more than {_SECONDS:g} s")
        file.write(piece)
    return total


def _failed(address: str, why: str) -> NetworkError:
    return NetworkError(f"{address[:200]} can't be fetched: {why}", code="download-failed")


def _too_large(address: str, limit: int) -> ArchiveRefused:
    return ArchiveRefused(
        f"{address[:200]} is larger than {limit >> 20} MiB",
        code="archive-too-large",
        hint="`devkit explain archive-too-large`",
    )
