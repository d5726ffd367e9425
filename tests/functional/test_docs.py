"""Runs every example of the pages that people paste from, and compares what it prints.

A page is one scenario: its blocks run in order, in one shell, in one empty folder with an empty home.
In `console` blocks the lines after a command are what it prints; `...` stands for anything in a line, and
on a line of its own for any lines. `bash` and `python` blocks have to end well. Two comments steer the
block after them: `<!-- not run: WHY -->` and `<!-- exit: N -->`, the status of its last command. A page with
`<!-- needs: PROGRAM … -->` is skipped where one of the programs is missing.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/tutorials/*.md")),
    *sorted(ROOT.glob("docs/how-to/*.md")),
]
SECONDS = 100
_BLOCK = re.compile(
    r"(?:^<!-- (?P<comment>[^\n]*?) -->\n+)?^```(?P<language>console|bash|python)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_NEEDS = re.compile(r"^<!-- needs: (.+) -->$", re.MULTILINE)
# how this machine reaches package indexes: an empty home alone would hide it from pip and npm
_NETWORK = re.compile(
    r"(pip|uv|npm_config)_|(https?|no)_proxy\Z|ssl_cert_|node_extra_ca_certs\Z", re.IGNORECASE
)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


@dataclass
class Block:
    page: Path
    line: int
    language: str
    text: str
    comment: str

    @property
    def not_run(self) -> str | None:
        return self.comment.removeprefix("not run:").strip() if self.comment.startswith("not run:") else None

    @property
    def exit(self) -> int:
        return int(self.comment.removeprefix("exit:")) if self.comment.startswith("exit:") else 0

    def steps(self):
        """What to run, what it prints (None: anything), and with which status it ends."""
        if self.language == "python":
            file = f"$SCENARIO/block-{self.line}.py"
            yield f"cat > {file} <<'END OF BLOCK'\n{self.text}END OF BLOCK\npython3 {file}", None, self.exit
        elif self.language == "bash":
            yield f"(set -e\n{self.text})", None, self.exit
        else:
            examples = list(console(self.text))
            for number, (command, shown) in enumerate(examples, 1):
                yield command, shown, self.exit if number == len(examples) else 0


def console(text):
    """The commands of a console block, here-documents included, each with the output that follows it."""
    lines = iter(text.splitlines(keepends=True))
    command, shown = "", ""
    for line in lines:
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], ""
            heredoc = _HEREDOC.search(command)
            while heredoc or command.endswith("\\\n"):
                command += (more := next(lines))
                if heredoc and more.strip() == heredoc[2]:
                    break
        else:
            shown += line
    yield command, shown


def blocks(page):
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        yield Block(page, line, match["language"], match["text"], match["comment"] or "")


def pattern(shown):
    """A regular expression for what a console block shows."""
    parts = []
    for line in shown.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line).replace(re.escape("..."), ".*") + "\n")
    return re.compile("".join(parts))


def run(page, steps, folder):
    """Run commands in one shell; gives what each printed and its status."""
    home, project, scenario = (folder / name for name in ("home", "project", "scenario"))
    for each in (home, project, scenario):
        each.mkdir()
    if page == ROOT / "README.md":
        # the plugin it speaks of; others here may fetch packages when they are first loaded
        shutil.copytree(ROOT / "plugins" / "test-plugin", project / "plugins" / "test-plugin")
    marker = "-- end of step --"
    script = scenario / "script"
    script.write_text("".join(f"{command}\nprintf '\\n{marker} %d\\n' $?\n" for command, _, _ in steps))
    environment = {
        # npm fetches packages with the certificates that this machine trusts
        **{name: value for name, value in os.environ.items() if name == "NODE_EXTRA_CA_CERTS"},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "DEVKIT_HOME": str(home / "devkit"),
        "SCENARIO": str(scenario),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash", script], cwd=project, env=environment, text=True, timeout=SECONDS, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    pieces = re.split(rf"\n{marker} (\d+)\n", done.stdout)
    assert len(pieces) == 2 * len(steps) + 1, f"the shell ended early:\n{done.stdout}"
    # `devkit plugin run` adds no line break to what a plugin returned; a page can't show that
    printed = [piece if not piece or piece.endswith("\n") else f"{piece}\n" for piece in pieces[::2]]
    return list(zip(printed, map(int, pieces[1::2]), strict=False))


def there(program):
    """Say whether a page's program is here; Node.js is where its loader finds one that is new enough."""
    if program == "node":
        from devkit_loader_node.runtime import version_here

        return version_here() is not None
    return shutil.which(program) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page):
    for needed in _NEEDS.findall(page.read_text()):
        for program in needed.split():
            if not there(program):
                pytest.skip(f"needs {program}")
    steps = [
        (f"{page.name}:{block.line}", *step)
        for block in blocks(page)
        if block.not_run is None
        for step in block.steps()
    ]
    # a short path: a host's control socket lies below its home, and a socket's path is 107 bytes at the most
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        results = run(page, [step[1:] for step in steps], Path(folder)) if steps else []
    for (place, command, shown, status), (printed, ended) in zip(steps, results, strict=True):
        told = f"{place}: {command}printed:\n{printed}"
        assert ended == status, f"status {ended}, not {status}; {told}"
        assert shown is None or pattern(shown).fullmatch(printed), f"the page shows:\n{shown}{told}"


NOT_RUN = [block for page in PAGES for block in blocks(page) if block.not_run is not None]


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: f"{block.page.name}:{block.line}")
def test_blocks_that_are_not_run_say_why(block):
    assert block.not_run


def test_every_block_is_known():
    """A shell example in another fence, or in none, would never be run."""
    for page in PAGES:
        assert not re.search(
            r"^```(sh|shell|py|pycon|zsh)?\n(\$|devkit|python3)", page.read_text(), re.MULTILINE
        ), page


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("", "", True),
        ("", "x\n", False),
        ("a\n", "a\n", True),
        ("a...\n", "abc\n", True),
        ("a...\n", "a\nb\n", False),
        ("...\n", "", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "b\n", False),
    ],
)
def test_what_is_shown_is_compared(shown, printed, same):
    assert bool(pattern(shown).fullmatch(printed)) is same


def test_console_blocks_are_taken_apart():
    text = "$ cat <<'END'\n$ x\nEND\n$ y\n$ a \\\n  b\nout\n"
    assert list(console(text)) == [("cat <<'END'\n$ x\nEND\n", ""), ("y\n", ""), ("a \\\n  b\n", "out\n")]
