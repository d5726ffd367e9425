"""What `devkit plugin new` makes for JavaScript and TypeScript works, and its own tests pass."""

import subprocess

import pytest

from devkit_core.catalog.scaffold import render, write
from devkit_loader_node.loader import NodeLoader

VALUES = {"id": "fresh", "name": "Fresh", "author": "Me", "date": "2026-01-01T00:00:00Z", "schema": "x"}


@pytest.fixture(params=["javascript", "typescript"])
def made(request, bench):
    if request.param == "typescript":
        request.getfixturevalue("typescript")
    folder = bench.root / "plugins" / "fresh"
    write(folder, render(NodeLoader.templates[request.param], VALUES))
    return folder


async def test_it_runs(bench, made):
    handle = await bench.manager.load("fresh")
    assert await handle.execute("hello") == "HELLO"


async def test_its_tests_pass(node, made):
    ran = subprocess.run([node, "--test"], cwd=made, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "pass 1\n" in ran.stdout


def test_it_runs_by_itself(node, bench):
    folder = bench.root / "plugins" / "fresh"
    write(folder, render(NodeLoader.templates["javascript"], VALUES))
    for arguments, printed, status in (
        (["execute", "hello"], "HELLO\n", 0),
        (["initialize"], "", 0),
        (["shutdown"], "", 0),
        ([], "", 1),
    ):
        ran = subprocess.run(
            [node, "plugin.js", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (ran.stdout, ran.returncode) == (printed, status)
