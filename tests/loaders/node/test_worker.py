"""The worker's own files: the protocol's vectors in Node, and what its process may do."""

import json
import subprocess
from pathlib import Path

import pytest

from devkit_core.errors import PluginRaised, ResourceExhausted

HERE = Path(__file__).parent


def test_vectors(node):
    ran = subprocess.run(
        [node, "--test", HERE / "frames.test.cjs"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    assert "fail 0\n" in ran.stdout
    assert "tests 0\n" not in ran.stdout


ATTEMPTS = {
    "execve": "process.execve(process.execPath, [process.execPath, '-e', '0'])",
    "spawn": "require('child_process').execFileSync('/bin/true')",
    "fork": "require('child_process').fork('/dev/null')",
    "read": "require('fs').readFileSync('/etc/passwd')",
    "write": "require('fs').writeFileSync(__dirname + '/made', '')",
    "chmod": "require('fs').chmodSync(process.cwd(), 0o777)",
    "kill": "process.kill(process.ppid, 9)",
    "inspector": "require('inspector').open(0)",
    "native": "process.dlopen({ exports: {} }, process.execPath)",
}


async def test_what_it_may_not(bench):
    attempts = ", ".join(f"{name}: () => {code}" for name, code in ATTEMPTS.items())
    handle = await bench.js(
        f"const attempts = {{ {attempts} }}\n"
        "exports.execute = (name) => { attempts[name](); return 'done' }"
    )
    for name in ATTEMPTS:
        with pytest.raises(PluginRaised):
            await handle.execute(name)


async def test_what_it_may(bench):
    handle = await bench.js(
        """
        const { Worker } = require('worker_threads')
        const fs = require('fs')
        exports.execute = async () => {
          fs.writeFileSync('scratch.txt', 'x')
          const thread = new Worker(
            "require('worker_threads').parentPort.postMessage(7)",
            { eval: true, resourceLimits: { codeRangeSizeMb: 16 } })
          const answer = await new Promise((resolve) => thread.on('message', resolve))
          return JSON.stringify({
            answer, argv: process.argv.length, own: process.argv[1] === __filename,
            read: fs.readFileSync(__filename, 'utf8').length > 9, scratch: fs.readdirSync('.'),
            hash: require('crypto').createHash('sha256').update('x').digest('hex').length,
            intl: new Intl.NumberFormat('en').format(1234)
          })
        }
        """
    )
    assert json.loads(await handle.execute("")) == {
        "answer": 7,
        "argv": 2,
        "own": False,
        "read": True,
        "scratch": ["scratch.txt"],
        "hash": 64,
        "intl": "1,234",
    }


async def test_settings_around_the_plugin_do_not_reach_it(bench):
    """A package.json above the plugin's folder would make its file another kind of module."""
    (bench.root / "package.json").write_text('{"type": "module"}')
    handle = await bench.js("exports.execute = (t) => t")
    assert await handle.execute("a") == "a"


@pytest.mark.parametrize("word", ["function", "async function"])
async def test_a_plugin_knows_the_time_that_its_caller_chose(bench, word):
    handle = await bench.js(
        f"exports.execute = {word} (text, context) {{ return `${{context.timeLeft}} ${{context.trace}}` }}"
    )
    assert await handle.execute() == "Infinity "
    left = float(str(await handle.execute(timeout=50)).split()[0])
    assert 0 < left <= 50_000
    assert await handle.execute("again") == "Infinity "
    assert 0 < float(str(await handle.execute("x" * (2 << 20), timeout=40)).split()[0]) <= 40_000


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        ("const all = []; for (;;) all.push(new Array(1000).fill(1))", "memory-limit", "MiB"),
        ("Buffer.alloc(300 << 20)", "memory-limit", "allocation failed"),
        ("for (let n = 0; n < 200; n++) require('fs').openSync('/dev/null')", "open-files-limit", "EMFILE"),
    ],
)
async def test_limits_of_a_process(bench, code, error, says):
    handle = await bench.js(
        f"exports.execute = (text) => {{ if (text === 'attack') {{ {code} }} return text }}",
        more="[runtime.limits]\nmax_memory_mb = 48\n",
    )
    with pytest.raises(ResourceExhausted) as caught:
        await handle.execute("attack", timeout=60)
    assert caught.value.code == error
    assert says in caught.value.message
    assert await handle.execute("fine", timeout=60) == "fine"
