"""Middleware around calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from devkit_core.loading.call import Call, Result

__all__ = ["Wrapper", "compose"]

Wrapper = Callable[[Call, Callable[[Call], Awaitable[Result]]], Awaitable[Result]]


def compose(
    wrappers: Sequence[Wrapper], innermost: Callable[[Call], Awaitable[Result]]
) -> Callable[[Call], Awaitable[Result]]:
    """Return what calls go to: the first wrapper, which goes on to the next, and at last to the innermost."""
    proceed = innermost
    for wrapper in reversed(wrappers):
        proceed = _around(wrapper, proceed)
    return proceed


def _around(
    wrapper: Wrapper, inner: Callable[[Call], Awaitable[Result]]
) -> Callable[[Call], Awaitable[Result]]:
    async def run(call: Call) -> Result:
        return await wrapper(call, inner)

    return run
