"""Manifests: the seed's two, the three forms, every key, and what is refused where."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ManifestError, Problem
from devkit_core.model import tables
from devkit_core.model.manifest import Dependency, Manifest, parse

ROOT = Path(__file__).parents[2]

IDENTITY = """\
id = "my-plugin"
name = "My Plugin"
version = "1.0.0"
description = "My plugin"
author = "Me"
entry_point = "plugin.py"
"""
BASE = f"[metadata]\n{IDENTITY}"


def good(text: str) -> Manifest:
    parsed = parse(text.encode())
    assert parsed.warnings == ()
    return parsed.manifest


def problems(text: str) -> tuple[Problem, ...]:
    """Return all problems of a text, and hold what is true of every problem."""
    raised = None
    try:
        found = parse(text.encode()).warnings
    except ManifestError as error:
        raised, found = error, error.problems
    if raised:
        first = next(p for p in found if not p.warning)
        assert (raised.code, raised.place, raised.hint) == (first.code, first.place, first.hint)
    lines = text.replace("\r\n", "\n").split("\n")
    places = [p.place for p in found if p.place]
    assert len(places) == len(found)
    for place in places:
        assert place.line
        assert place.column
        assert place.column <= len(lines[place.line - 1]) + 1
        line = lines[place.line - 1]
        assert place.text == (line if len(line) <= 500 else None)
    assert [(p.line, p.column) for p in places] == sorted((p.line, p.column) for p in places)
    assert all(p.message.isprintable() and (p.hint or "").isprintable() for p in found)
    for code in {p.code for p in found}:
        assert (
            ROOT / f"devkit_core/src/devkit_core/data/errors/{code}.md"
        ).is_file() or code == "permission-invalid"
    return found


def only(text: str) -> Problem:
    (problem,) = problems(text)
    return problem


def test_the_seeds_manifest(seed_manifests: tuple[str, str]) -> None:
    manifest = good(seed_manifests[0])
    assert (manifest.id, manifest.version, manifest.entry_point) == ("my-plugin", "1.0.0", "plugin.py")
    assert manifest.metadata.license is None
    assert manifest.metadata.created_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert manifest.dependencies == (Dependency(id="python-runtime", version=">=3.8"),)
    assert manifest.capabilities == ("CodeAnalysis",)
    assert manifest.permissions == ("filesystem:read", "network:http")


def test_the_seeds_heredoc(seed_manifests: tuple[str, str]) -> None:
    assert good(seed_manifests[1]).capabilities == ("Custom",)


@pytest.mark.parametrize(
    "plugin", sorted((ROOT / "plugins").glob("*/plugin.toml")), ids=lambda p: p.parent.name
)
def test_our_own_plugins(plugin: Path) -> None:
    assert good(plugin.read_text()).id == plugin.parent.name


def test_every_key() -> None:
    manifest = good(
        'permissions = ["filesystem:read", "filesystem:read"]\n'
        'capabilities = ["code_analysis", {capability = "Custom", name = "Stars"}, "VersionControl"]\n'
        f"{BASE}"
        'license = "MIT OR Apache-2.0"\n'
        'homepage = "https://example.org"\nrepository = "git@example.org:x/y"\n'
        'tags = ["a", "b"]\ncreated_at = 2024-01-01T00:00:00+01:00\nupdated_at = "2024-01-02t00:00:00z"\n'
        'min_devkit_version = "0.1.0"\nmax_devkit_version = "1.0.0-rc.1"\n'
        '[[dependencies]]\nid = "other"\noptional = true\nreason = "because"\n'
        '[runtime]\ntype = "Python"\nenv = {A = "1", b_2 = "x\\ny"}\n'
        'activation = "on-demand"\nworkers = 2\nidempotent = true\n'
        "[runtime.limits]\nmax_memory_mb = 1\nmax_open_files = 16\nmax_cpu_seconds = 2\nmax_threads = 3\n"
        "max_disk_usage_mb = 4\nmax_scratch_files = 5\nmax_output_kb = 6\nmax_log_lines = 7\n"
        "max_payload_mb = 8\n"
        "[runtime.timeouts]\ninit_timeout_seconds = 1\nexecution_timeout_seconds = 0.5\n"
        "shutdown_timeout_seconds = 3\nidle_timeout_seconds = 4\n"
        "[runtime.restart]\nmax_restarts = 1\nwithin_seconds = 2\ncool_down_seconds = 3\n"
        "[runtime.security]\nenable_sandbox = true\n"
        '[python]\nrequires = ["Black [d]>=24", "rich"]\n'
        '[functions.execute]\n[functions.count_2]\ndescription = "Counts\\nwords"\n'
        'input = {type = "object", properties = {a = {type = ["string", "null"]}}}\noutput = {}\n'
        "idempotent = false\n"
    )
    assert manifest.as_dict() == {
        "manifest_version": 1,
        "metadata": {
            "id": "my-plugin",
            "name": "My Plugin",
            "version": "1.0.0",
            "description": "My plugin",
            "author": "Me",
            "entry_point": "plugin.py",
            "license": "MIT OR Apache-2.0",
            "homepage": "https://example.org",
            "repository": "git@example.org:x/y",
            "tags": ("a", "b"),
            "created_at": "2024-01-01T00:00:00+01:00",
            "updated_at": "2024-01-02T00:00:00Z",
            "min_devkit_version": "0.1.0",
            "max_devkit_version": "1.0.0-rc.1",
        },
        "dependencies": ({"id": "other", "version": "*", "optional": True, "reason": "because"},),
        "capabilities": ("CodeAnalysis", "Stars", "VersionControl"),
        "permissions": ("filesystem:read",),
        "runtime": {
            "type": "python",
            "activation": "on-demand",
            "workers": 2,
            "idempotent": True,
            "env": {"A": "1", "b_2": "x\ny"},
            "limits": {
                "max_memory_mb": 1,
                "max_open_files": 16,
                "max_cpu_seconds": 2,
                "max_threads": 3,
                "max_disk_usage_mb": 4,
                "max_scratch_files": 5,
                "max_output_kb": 6,
                "max_log_lines": 7,
                "max_payload_mb": 8,
            },
            "timeouts": {
                "init_timeout_seconds": 1.0,
                "execution_timeout_seconds": 0.5,
                "shutdown_timeout_seconds": 3.0,
                "idle_timeout_seconds": 4.0,
            },
            "restart": {"max_restarts": 1, "within_seconds": 2.0, "cool_down_seconds": 3.0},
            "security": {"enable_sandbox": True},
        },
        "python": {"requires": ("Black [d]>=24", "rich")},
        "functions": {
            "execute": {"description": "", "input": None, "output": None, "idempotent": None},
            "count_2": {
                "description": "Counts\nwords",
                "input": {"type": "object", "properties": {"a": {"type": ("string", "null")}}},
                "output": {},
                "idempotent": False,
            },
        },
        "config": {},
        "build": {},
        "dev": {},
    }
    assert manifest.runtime_type == "python"
    assert manifest.limits.max_threads == 3
    assert manifest.timeouts.execution_timeout_seconds == 0.5


def test_a_manifest_can_not_be_changed() -> None:
    manifest = good(f"{BASE}[functions.f]\ninput = {{properties = {{b = {{}}}}}}\n")
    with pytest.raises(AttributeError):
        manifest.metadata.id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        manifest.functions["f"].input["properties"]["b"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        manifest.functions["g"] = manifest.functions["f"]  # type: ignore[index]


def test_windows_line_ends_and_a_byte_order_mark(seed_manifests: tuple[str, str]) -> None:
    seed = seed_manifests[0]
    assert parse(b"\xef\xbb\xbf" + seed.replace("\n", "\r\n").encode()) == parse(seed.encode())


FORM_A = (
    f'{IDENTITY}license = "MIT"\ntags = []\ndependencies = [{{id = "python-runtime", version = ">=3.8"}}]\n'
    'permissions = ["filesystem_read"]\ncapabilities = ["code-analysis", "my-thing"]\n'
)
FORM_C = (
    f'[plugin]\n{IDENTITY}license = "MIT"\ncapabilities = ["code_analysis", "my-thing"]\n'
    'permissions = ["filesystem_read"]\n[[dependencies]]\nid = "python-runtime"\nversion = ">=3.8"\n'
    "[runtime.limits]\nmax_file_descriptors = 32\n"
)


@pytest.mark.parametrize("text", [FORM_A, FORM_C], ids=["flat", "plugin table"])
def test_the_older_forms_are_read_with_a_warning(text: str) -> None:
    parsed = parse(text.encode())
    assert {p.code for p in parsed.warnings} == {"manifest-former-spelling"}
    assert parsed.manifest.capabilities == ("CodeAnalysis", "my-thing")
    assert parsed.manifest.permissions == ("filesystem_read",)
    assert parsed.manifest.dependencies[0].id == "python-runtime"
    problems(text)


def test_lists_below_the_identity_are_read_with_a_warning() -> None:
    parsed = parse(f'{BASE}permissions = ["filesystem:read"]\ncapabilities = ["Testing"]\n'.encode())
    assert parsed.manifest.permissions == ("filesystem:read",)
    assert [p.place and p.place.line for p in parsed.warnings] == [8, 9]


def test_all_problems_come_together_in_file_order() -> None:
    text = (
        '[metadata]\nid = "My Plugin"\nversion = "1.0"\ndescription = 5\n'
        'entry_point = "../x.py"\nauthr = "me"\n'
        '[[dependencies]]\nid = "a"\n[[dependencies]]\nid = "b"\nversion = "~>1"\n'
        '[permissions]\npermissions = ["filesystem:raed"]\n'
    )
    found = problems(text)
    assert [(p.code, p.place and (p.place.line, p.place.column), p.warning) for p in found] == [
        ("manifest-missing-key", (1, 1), False),
        ("manifest-missing-key", (1, 1), False),
        ("manifest-id", (2, 6), False),
        ("version-invalid", (3, 11), False),
        ("manifest-type", (4, 15), False),
        ("manifest-value", (5, 15), False),
        ("manifest-unknown-key", (6, 1), True),
        ("requirement-invalid", (11, 11), False),
        ("permission-invalid", (13, 16), False),
    ]
    assert [p.place and p.place.key for p in found][-2:] == [
        "dependencies[1].version",
        "permissions.permissions[0]",
    ]
    assert found[6].hint == "did you mean `author`?"


@pytest.mark.parametrize(
    ("written", "says", "hint"),
    [
        ("My-Plugin", "`M`", "`my-plugin`"),
        ("my_plugin", "`_`", "`my-plugin`"),
        ("my plugin", "space", "`my-plugin`"),
        ("a/b", "`/`", "`a-b`"),
        ("../etc", "`..`", "`etc`"),
        ("a..b", "`..`", "`a-b`"),
        ("-a", "hyphen", "`a`"),
        ("", "empty", "`my-plugin`"),
        ("a" * 65, "65", None),
        ("\\u0000", "U+0000", "`my-plugin`"),
        ("a\\u001b", "U+001B", "`a`"),
        ("a\\n", "U+000A", "`a`"),
        ("p\u0430ypal", "U+0430 (CYRILLIC SMALL LETTER A)", "a-z"),
        ("\uff41", "U+FF41", "a-z"),
        ("a\\u200d", "U+200D", "a-z"),
        ("\u0131d", "U+0131", "a-z"),
        ("a\\\\b", "`\\`", "`a-b`"),
    ],
)
def test_ids_that_are_none(written: str, says: str, hint: str | None) -> None:
    problem = only(BASE.replace('"my-plugin"', f'"{written}"'))
    assert problem.code == "manifest-id"
    assert says in problem.message
    assert hint is None or hint in (problem.hint or "")


@given(st.from_regex("[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True))
def test_every_id_of_the_grammar_is_read(plugin: str) -> None:
    assert good(BASE.replace("my-plugin", plugin)).id == plugin


@given(st.text(min_size=1, max_size=70))
def test_every_other_id_is_refused(plugin: str) -> None:
    text = BASE.replace('"my-plugin"', tomlkit.string(plugin).as_string())
    if re.fullmatch(tables.ID_PATTERN.strip("^$"), plugin):
        good(text)
    else:
        with pytest.raises(ManifestError) as caught:
            parse(text.encode())
        assert caught.value.code == "manifest-id"


@pytest.mark.parametrize("asked", ["black @ https://example.org/black.whl", "./black", "-e .", "black>>2"])
def test_a_package_that_leads_past_the_index_is_refused(asked: str) -> None:
    problem = only(f'{BASE}[python]\nrequires = ["rich",\n"{asked}"]\n')
    assert problem.code == "python-requirement-invalid"
    assert problem.place
    assert problem.place.key == "python.requires[1]"
    assert problem.place.text == f'"{asked}"]'


WRONG_VALUES = [
    ("entry_point", '"/etc/passwd"'), ("entry_point", '"a/../../b"'), ("entry_point", '"a\\\\b"'),
    ("entry_point", '""'), ("entry_point", '"C:x"'), ("entry_point", '"a/"'), ("entry_point", '"~/x"'),
    ("entry_point", '"."'), ("entry_point", '"a\\u0000.py"'), ("name", '""'), ("name", f'"{"x" * 101}"'),
    ("name", '"\\u001b[31m"'), ("name", '"a\\nb"'), ("name", '"\\u202eevil"'), ("name", '"\\u2028"'),
    ("description", f'"{"x" * 1001}"'), ("description", '"\\u0007"'), ("author", f'"{"x" * 201}"'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG_VALUES)
def test_values_that_are_refused(key: str, value: str) -> None:
    problem = only(re.sub(f"(?m)^{key} = .*$", lambda _: f"{key} = {value}", BASE))
    assert (problem.code, problem.warning) == ("manifest-value", False)
    assert problem.place
    assert problem.place.key == f"metadata.{key}"
    assert problem.place.column == len(f"{key} = ") + 1


WRONG_MORE = {
    "manifest-value": [
        'created_at = "yesterday"',
        "created_at = 2024-01-01T00:00:00",
        'created_at = "2024-13-01T00:00:00Z"',
        'tags = [""]',
        'min_devkit_version = "2.0.0"\nmax_devkit_version = "1.0.0"',
        "[[dependencies]]\nid = 'a'\n[[dependencies]]\nid = 'a'",
        "[[dependencies]]\nid = 'a'\n" * 51,
        "[runtime]\ntype = '../x'",
        "[runtime.env]\n'A=B' = ''",
        '[runtime.env]\nA = "\\u0000"',
        "[runtime.limits]\nmax_memory_mb = 0",
        "[runtime.limits]\nmax_threads = -9223372036854775809",
        "[runtime.limits]\nmax_file_descriptors = 32\nmax_open_files = 32",
        "[runtime.timeouts]\ninit_timeout_seconds = 0",
        "[runtime.timeouts]\ninit_timeout_seconds = inf",
        "[functions.Execute]",
        "[functions.f]\ninput = {a = 1979-01-01}",
        "[functions.f]\ninput = {a = [nan]}",
        "[functions.f]\ninput = {'$ref' = 'http://example.org'}",
        '[functions.f]\noutput = {title = "\\u001b"}',
        '[dev]\nx = "\\u001b"',
        '[dev]\n"\\u001b" = 1',
        "[plugin]\nid = 'x'",
        "[functions]\n" + "".join(f"f{n} = {{}}\n" for n in range(257)),
        "[runtime.env]\n" + "".join(f"V{n} = ''\n" for n in range(257)),
    ],
    "manifest-type": [
        "created_at = 2024-01-01",
        "created_at = 1",
        "tags = [1]",
        'tags = "a"',
        "dependencies = 1",
        "[dependencies]\nx = 1",
        "[[dependencies]]\nid = 'a'\noptional = 'no'",
        "[capabilities]\ncapability = 'x'",
        "[[capabilities]]\ncapability = 1",
        "[permissions]\npermissions = 'x:y'",
        "[permissions]\npermissions = [1]",
        "[runtime.env]\nA = 1",
        "[runtime]\nlimits = 5",
        "[runtime.limits]\nmax_memory_mb = true",
        "[runtime.limits]\nmax_threads = 1.5",
        "[runtime.timeouts]\ninit_timeout_seconds = nan",
        "[functions]\nf = 1",
        "[functions.f]\ninput = 'x'",
    ],
    "manifest-syntax": [
        'version = "v1"',
    ],
    "version-invalid": [
        'min_devkit_version = "new"',
    ],
    "manifest-missing-key": [
        "[[dependencies]]\nversion = '*'",
        "[[capabilities]]\nname = 'x'",
    ],
    "manifest-id": [
        "[[dependencies]]\nid = '../x'",
    ],
    "manifest-unsupported": [
        "[runtime.env]\nLD_PRELOAD = 'x'",
        "[runtime.limits]\nmax_cpu_percent = 50",
        "[runtime.limits]\nmax_network_connections = 1",
        "[runtime.security]\nenable_sandbox = false",
        "[runtime.security]\nallowed_paths = ['/']",
        "[runtime.security]\nallowed_hosts = []",
        "[runtime.security]\nallowed_env_vars = []",
    ],
    "manifest-unknown-key": [
        "[runtime.limits]\nmax_memroy_mb = 1",
        "[runtime.security]\nsandbox = true",
    ],
}


@pytest.mark.parametrize(
    ("more", "code"),
    [(more, code) for code, texts in WRONG_MORE.items() for more in texts],
    ids=lambda value: repr(value)[:60],
)
def test_more_that_is_refused(more: str, code: str) -> None:
    errors = [p for p in problems(BASE + more + "\n") if not p.warning]
    assert {p.code for p in errors} == {code}


@pytest.mark.parametrize(
    ("more", "code", "hint"),
    [
        ("licence = 'MIT'", "manifest-unknown-key", "`license`"),
        ("license = 'Commercial'", "manifest-value", "SPDX"),
        ("homepage = 'example.org'", "manifest-value", "https://"),
        ("repository = 'file:///x'", "manifest-value", "https://"),
        ("[build]\ncommand = 'make'", "manifest-unsupported", "no build"),
        ("[dev]\nhot_reload = true\n[dev.dev_server]\nport = 1", "manifest-unsupported", "no build"),
        ("[[dependencies]]\nid = 'a'\nsource = 'x'", "manifest-unsupported", "every source"),
        ("[[capabilities]]\ncapability = 'Testing'\nname = 'x'", "manifest-unsupported", "Testing"),
        ("[permission]\npermissions = []", "manifest-unknown-key", "`permissions`"),
        ("activation = 'on-demand'", "manifest-unknown-key", "known here"),
        ("[runtime]\nruntime_type = 'python'", "manifest-former-spelling", "`type`"),
        ("[functions.f]\ninptu = {}", "manifest-unknown-key", "`input`"),
    ],
)
def test_warnings_stop_nothing(more: str, code: str, hint: str) -> None:
    problem = only(f"{BASE}{more}\n")
    assert (problem.code, problem.warning) == (code, True)
    assert hint in (problem.hint or "")


def test_another_format_is_refused_and_names_ours() -> None:
    problem = only(f"manifest_version = 2\nwhatever = 1\n{BASE}")
    assert problem.code == "manifest-unsupported"
    assert "manifest_version 1" in (problem.hint or "")
    assert good(f"manifest_version = 1\n{BASE}").manifest_version == 1


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "x = 1\n", "[permissions]\n", "[runtime]\ntype = 'python'\n"]
)
def test_without_an_identity(text: str) -> None:
    errors = [p for p in problems(text) if not p.warning]
    assert [p.code for p in errors] == ["manifest-missing-key"]
    assert "[metadata]" in (errors[0].hint or "")


def test_wrong_types_everywhere() -> None:
    names = [field.name for field in msgspec.structs.fields(Manifest)]
    for wrong in ("1", "'x'", "[]", "[[1]]", "{}", "{a = 1}", "true", "1.5", "1979-05-27", "[{}]"):
        problems("".join(f"{name} = {wrong}\n" for name in names))
        inner = [field.name for field in msgspec.structs.fields(tables.Metadata)]
        problems("[metadata]\n" + "".join(f"{name} = {wrong}\n" for name in inner))
        problems(
            f"{BASE}[runtime]\n"
            + "".join(f"{n} = {wrong}\n" for n in ("env", "limits", "timeouts", "security"))
        )


def test_a_flood_of_problems_is_cut() -> None:
    flood = BASE + "".join(f"unknown{n} = 1\n" for n in range(5000)) + "[runtime.limits]\n"
    flood += "".join(f"limit{n} = 1\n" for n in range(5000))
    found = problems(flood)
    assert sum(p.warning for p in found) == 100
    assert sum(not p.warning for p in found) == 100


def test_an_error_can_be_moved_to_the_path_that_a_user_opens() -> None:
    with pytest.raises(ManifestError) as caught:
        parse(b"", "plugin.toml")
    moved = caught.value.at("/somewhere/plugin.toml")
    assert str(moved.place) == "/somewhere/plugin.toml:1:1"


@pytest.mark.parametrize(
    "text", re.findall(r"```toml\n(.*?)```", (ROOT / "docs/reference/manifest.md").read_text(), re.S)
)
def test_the_pages_examples_are_good(text: str) -> None:
    good(text)
