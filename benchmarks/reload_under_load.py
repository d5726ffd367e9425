"""Reloads a plugin 200 times under 64 calls in flight; none may be lost.

python benchmarks/reload_under_load.py [RELOADS [CALLERS]]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from devkit_core import PluginManager, PluginSystemConfig
from devkit_core.config.places import Places

MANIFEST = """
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "is reloaded"
author = "a benchmark"
entry_point = "plugin.py"
"""


async def main(reloads: int, callers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder = root / "plugins" / "subject"
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST)
        write = (folder / "plugin.py").write_text
        write("def execute(text):\n    return '0:' + text\n")
        places = Places.under(root / "home", project=root)
        async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:
            handle = await manager.load("subject")
            stop = False

            async def caller(number: int) -> tuple[int, float]:
                done, longest = 0, 0.0
                while not stop:
                    began = time.perf_counter()
                    answer = await handle.execute(f"{number}-{done}")
                    longest = max(longest, time.perf_counter() - began)
                    assert str(answer).endswith(f":{number}-{done}")
                    done += 1
                return done, longest

            running = [asyncio.ensure_future(caller(number)) for number in range(callers)]
            began = time.perf_counter()
            for turn in range(1, reloads + 1):
                write(f"def execute(text):\n    return '{turn}:' + text\n")
                await manager.reload("subject")
                assert str(await handle.execute("x")) == f"{turn}:x"
            seconds = time.perf_counter() - began
            stop = True
            results = await asyncio.gather(*running)
            numbers = manager.stats("subject")
            print(f"{reloads} reloads in {seconds:.2f} s, {seconds / reloads * 1000:.1f} ms each")
            print(f"{sum(done for done, _ in results):,} calls by {callers} callers, {numbers.failed} lost")
            print(f"longest call {max(longest for _, longest in results) * 1000:.1f} ms")
            assert numbers.failed == 0


asyncio.run(main(*(int(word) for word in (sys.argv[1:] + ["200", "64"][len(sys.argv) - 1 :]))))
