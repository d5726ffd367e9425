"""Installing, updating, going back and taking away, against a real disk and a source in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from devkit_core.catalog.discovery import discover
from devkit_core.catalog.folders import builtin_sources
from devkit_core.catalog.install import Installer, Surroundings
from devkit_core.catalog.mending import verify_store
from devkit_core.catalog.planning import Plan
from devkit_core.catalog.state import State
from devkit_core.catalog.updating import look, update
from devkit_core.catalog.upkeep import pin, rollback, uninstall
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError
from devkit_core.loading.source import Source

ASKS = '[permissions]\npermissions = ["{}"]\n'
NEEDS = '[[dependencies]]\nid = "{}"\nversion = "{}"\n'


def yes(plan: Plan) -> None:
    """Agree to anything."""


class Desk:
    """An installer in a project of its own."""

    def __init__(self, root: Path, sources: Sequence[Source] = ()) -> None:
        self.root = root
        self.places = Places.under(root / "home", project=root / "project")
        self.state = State(self.places.data / "devkit.lock")
        self.sources = list(sources)
        around = Surroundings(
            present=lambda: discover(builtin_sources(PluginSystemConfig(), self.places)),
            sources=self.sources,
            runtimes={"python-runtime": "3.11.7"},
            devkit="0.1.0",
        )
        self.installer = Installer(self.places.data, self.state, around)

    def install(self, *texts: object, agree: Callable[[Plan], None] = yes, **more: object) -> Plan:
        return self.installer.install([str(t) for t in texts], agree, here=self.root, **more)  # type: ignore[arg-type]

    def versions(self) -> dict[str, str]:
        """What a discovery finds installed: id to version; every byte is held against the store's hashes."""
        plugins = self.installer.installed.read()
        for name, each in plugins.items():
            assert self.installer.store.problems(each.current, name) == []
        found = discover(builtin_sources(PluginSystemConfig(), self.places))
        assert all(each.error is None for each in found)
        return {e.id: e.manifest.version for e in found if e.manifest and e.source == "installed"}

    def place(self, plugin: str) -> Path:
        return self.installer.store.place(self.installer.installed.read()[plugin].current, plugin)


@pytest.fixture
def desk(tmp_path: Path, shelf) -> Desk:
    return Desk(tmp_path, [shelf])


def refused(code: str, call: Callable[[], object]) -> DevKitError:
    with pytest.raises(DevKitError) as caught:
        call()
    assert caught.value.code == code, caught.value.message
    return caught.value


# -- install


@pytest.mark.parametrize("kind", ["folder", "dkp", "tar", "zip", "git"])
def test_install_list_uninstall(kind: str, desk: Desk, make, tmp_path: Path) -> None:
    folder = make("one")
    target: object = folder
    if kind == "dkp":
        from devkit_core.catalog.packaging import package

        target = package(folder, tmp_path)[0]
    elif kind == "tar":
        target = tmp_path / "one.tar.gz"
        subprocess.run(["tar", "-czf", target, "-C", folder, "."], check=True)
    elif kind == "zip":
        import shutil

        target = shutil.make_archive(str(tmp_path / "one"), "zip", folder)
    elif kind == "git":
        commit(folder)
        target = f"git+file://{folder}"
    plan = desk.install(target)
    assert [(step.action, step.id, step.version) for step in plan.steps] == [("install", "one", "1.0.0")]
    assert desk.versions() == {"one": "1.0.0"}
    assert sorted(p.name for p in desk.place("one").iterdir()) == ["plugin.py", "plugin.toml"]
    uninstall(desk.installer, ["one"], yes)
    assert desk.versions() == {}
    assert desk.installer.store.digests() == []


def commit(folder: Path, tag: str = "") -> str:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    if tag:
        git("tag", tag)
    return git("rev-parse", "HEAD")


def test_a_repository_by_tag_branch_and_commit(desk: Desk, make) -> None:
    folder = make("one")
    first = commit(folder, "v1")
    (folder / "plugin.toml").write_text((folder / "plugin.toml").read_text().replace("1.0.0", "1.1.0"))
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {desk.root}/ran\n")
    hook.chmod(0o755)
    commit(folder)
    for revision, version in (("@v1", "1.0.0"), (f"@{first}", "1.0.0"), ("", "1.1.0"), ("@HEAD", "1.1.0")):
        desk.install(f"git+file://{folder}{revision}")
        assert desk.versions() == {"one": version}
    assert not (desk.root / "ran").exists()
    error = refused("git-failed", lambda: desk.install(f"git+file://{folder}@nothing"))
    assert "nothing" in error.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("http://example.org/a.dkp", "install-target"),
        ("ftp://example.org/a.dkp", "install-target"),
        ("https://me:secret@example.org/a.dkp", "install-target"),
        ("https:///a.dkp", "install-target"),
        ("https://example.org/a.dkp#md5=1", "install-target"),
        ("git+http://example.org/a.git", "install-target"),
        ("git+ext::sh -c touch% /tmp/x", "install-target"),
        ("git+ssh://-oProxyCommand=x/a", "install-target"),
        ("git+https://example.org/a.git@--upload-pack=x", "install-target"),
        ("git+file://host/a", "install-target"),
        ("git+https://me:pw@example.org/a.git", "install-target"),
        ("Not An Id", "install-target"),
        ("", "install-target"),
        ("./nothing", "path-not-found"),
        ("nothing.dkp", "path-not-found"),
        ("nothing", "release-not-found"),
    ],
)
def test_what_can_not_be_installed(text: str, code: str, desk: Desk) -> None:
    refused(code, lambda: desk.install(text))
    assert desk.versions() == {}


def test_a_plugin_that_would_not_load_is_not_installed(desk: Desk, make) -> None:
    broken = make("broken")
    (broken / "plugin.py").unlink()
    refused("entry-point-missing", lambda: desk.install(broken))
    other = make("other", text="[metadata]\n")
    error = refused("manifest-missing-key", lambda: desk.install(other))
    assert error.place is not None
    assert error.place.path == f"{other}/plugin.toml"
    old = make("old", more='max_devkit_version = "0.0.1"\n')
    refused("dependency-devkit", lambda: desk.install(old))
    alone = make("alone", more=NEEDS.format("not-there", "*"))
    refused("dependency-missing", lambda: desk.install(alone))
    node = make("node", more=NEEDS.format("python-runtime", ">=4"))
    refused("dependency-conflict", lambda: desk.install(node))
    link = make("link")
    (link / "out").symlink_to("/etc/passwd")
    refused("archive-special", lambda: desk.install(link))
    assert desk.versions() == {}
    assert desk.installer.store.digests() == []


def test_dry_run_changes_nothing(desk: Desk, make) -> None:
    plan = desk.install(make("one", more=ASKS.format("filesystem:read")), dry_run=True)
    assert plan.steps[0].asked == ("filesystem:read",)
    assert desk.versions() == {}
    assert not desk.installer.installed.path.exists()


def test_whoever_does_not_agree_changes_nothing(desk: Desk, make) -> None:
    def no(plan: Plan) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.install(make("one"), agree=no)
    assert desk.versions() == {}


def test_several_at_once_are_one_change(desk: Desk, make) -> None:
    first = make("b", identity="b", more=NEEDS.format("a", "^1.0"))
    second = make("a", identity="a")
    assert [step.id for step in desk.install(first, second).steps] == ["a", "b"]
    refused("plugin-duplicate", lambda: desk.install(second, make("x/a", identity="a")))


# -- sources and dependencies


def test_an_id_takes_the_newest_that_fits(desk: Desk, make, shelf) -> None:
    for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1"):
        shelf.add(make(f"v/{version}", identity="one", version=version))
    shelf.add(make("v/3", identity="one", version="3.0.0"), yanked=True)
    desk.install("one")
    assert desk.versions() == {"one": "1.10.0"}
    for wanted, version in (("1.0.0", "1.0.0"), (">=1,<1.9", "1.2.0"), ("2.0.0-rc.1", "2.0.0-rc.1")):
        desk.install("one", version=wanted)
        assert desk.versions() == {"one": version}
    desk.install("one", version="3.0.0")
    assert desk.versions() == {"one": "3.0.0"}
    error = refused("release-not-found", lambda: desk.install("one", version="9.0.0"))
    assert "3.0.0" in (error.hint or "")


def test_what_a_plugin_needs_comes_along(desk: Desk, make, shelf) -> None:
    shelf.add(make("top", more=NEEDS.format("middle", "^1.0")))
    shelf.add(make("m1", identity="middle", version="1.5.0", more=NEEDS.format("base", "*")))
    shelf.add(make("m2", identity="middle", version="2.0.0"))
    shelf.add(make("base"))
    plan = desk.install("top")
    assert [(s.id, s.version, s.why) for s in plan.steps] == [
        ("base", "1.0.0", "needed"),
        ("middle", "1.5.0", "needed"),
        ("top", "1.0.0", ""),
    ]
    assert desk.versions() == {"base": "1.0.0", "middle": "1.5.0", "top": "1.0.0"}


def test_what_is_there_stays_unless_it_has_to_change(desk: Desk, make, shelf) -> None:
    for version in ("1.0.0", "1.1.0"):
        shelf.add(make(f"b/{version}", identity="base", version=version))
    desk.install("base", version="1.0.0")
    shelf.add(make("easy", more=NEEDS.format("base", "^1.0")))
    shelf.add(make("hard", more=NEEDS.format("base", ">=1.1")))
    desk.install("easy")
    assert desk.versions()["base"] == "1.0.0"
    desk.install("hard")
    assert desk.versions()["base"] == "1.1.0"


def test_no_change_breaks_what_works(desk: Desk, make) -> None:
    desk.install(make("base"))
    desk.install(make("user", more=NEEDS.format("base", "^1.0")))
    error = refused("dependency-conflict", lambda: desk.install(make("b2", identity="base", version="2.0.0")))
    assert "user" in error.message
    assert desk.versions() == {"base": "1.0.0", "user": "1.0.0"}


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"sha256": "0" * 64}, "hash-mismatch"),
        ({"size": 1}, "hash-mismatch"),
        ({"version": "1.0.1"}, "release-mismatch"),
        ({"permissions": ("filesystem:read",)}, "release-mismatch"),
        ({"needs": ()}, "release-mismatch"),
        ({"min_devkit_version": "no"}, "release-invalid"),
        ({"permissions": ("filesystem:eat",)}, "release-invalid"),
    ],
)
def test_a_source_that_lies_is_caught(lie: dict[str, object], code: str, desk: Desk, make, shelf) -> None:
    shelf.add(make("one", more=NEEDS.format("python-runtime", ">=3.8")), **lie)
    refused(code, lambda: desk.install("one"))
    assert desk.versions() == {}
    assert desk.installer.store.digests() == []


def test_a_source_that_breaks_is_named(desk: Desk, make, shelf, monkeypatch) -> None:
    shelf.add(make("one"))
    monkeypatch.setattr(shelf, "fetch", lambda release, target: 1 / 0)
    error = refused("source-unreadable", lambda: desk.install("one"))
    assert "'shelf'" in error.message


def test_a_plugin_stays_with_its_source(desk: Desk, make, shelf, tmp_path: Path) -> None:
    shelf.add(make("one"))
    desk.install("one")
    evil = type(shelf)(tmp_path / "evil", "evil", rank=1)
    evil.add(make("evil/one", identity="one", version="9.0.0"))
    desk.sources.append(evil)
    assert look(desk.installer)[0].standing == "current"
    update(desk.installer, ["one"], yes)
    assert desk.versions() == {"one": "1.0.0"}


# -- grants


def test_grants_are_kept_by_an_update_and_lost_to_other_hands(desk: Desk, make, shelf) -> None:
    asks = ASKS.format("filesystem:read")
    for version in ("1.0.0", "1.1.0"):
        shelf.add(make(f"v/{version}", identity="one", version=version, more=asks))
    desk.install("one", version="1.0.0")
    desk.state.grant("one", desk.place("one"), ["filesystem:read"], version="1.0.0", publisher="Me")
    update(desk.installer, [], yes)
    assert desk.versions() == {"one": "1.1.0"}
    assert desk.state.granted("one", desk.place("one"), publisher="Me") == ("filesystem:read",)
    plan = desk.install(make("elsewhere/one", identity="one", version="1.2.0", more=asks))
    assert plan.steps[0].drops_grants
    assert desk.state.granted("one", desk.place("one")) == ()


def test_grants_go_with_the_plugin(desk: Desk, make) -> None:
    folder = make("one", more=ASKS.format("filesystem:read"))
    desk.install(folder)
    desk.state.grant("one", desk.place("one"), ["filesystem:read"], version="1.0.0", publisher="Me")
    desk.state.set_enabled("one", desk.place("one"), False)
    uninstall(desk.installer, ["one"], yes)
    assert desk.state.grants() == []
    desk.install(folder)
    assert desk.state.granted("one", desk.place("one")) == ()
    assert not desk.state.is_enabled("one", desk.place("one"))
    place = desk.place("one")
    uninstall(desk.installer, ["one"], yes, purge=True)
    assert desk.state.is_enabled("one", place)


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("filesystem:read", "filesystem:read=$PLUGIN", ()),
        ("filesystem:read", "filesystem:write", ("filesystem:write",)),
        ("filesystem:read=$PLUGIN", "filesystem:read", ("filesystem:read",)),
        ("network:access", "network:https", ()),
        ("network:https", "network:access", ("network:access",)),
    ],
)
def test_an_update_that_asks_for_more_is_held(
    before: str, after: str, new: tuple[str, ...], desk: Desk, make, shelf
) -> None:
    shelf.add(make("v/1", identity="one", more=ASKS.format(before)))
    desk.install("one")
    shelf.add(make("v/2", identity="one", version="1.1.0", more=ASKS.format(after)))
    assert look(desk.installer)[0].standing == ("held" if new else "update")
    outlook = update(desk.installer, [], yes)[0]
    assert outlook.new == new
    assert outlook.standing == ("held" if new else "updated")
    assert desk.versions() == {"one": "1.0.0" if new else "1.1.0"}
    if new:
        assert desk.installer.installed.read()["one"].held == new
        desk.state.grant("one", desk.place("one"), new, version="1.0.0", publisher="Me")
        assert update(desk.installer, [], yes)[0].standing == "updated"
        assert desk.versions() == {"one": "1.1.0"}
        assert desk.installer.installed.read()["one"].held == ()


def test_a_held_update_can_come_without_its_rights(desk: Desk, make, shelf) -> None:
    shelf.add(make("v/1", identity="one"))
    desk.install("one")
    shelf.add(make("v/2", identity="one", version="1.1.0", more=ASKS.format("process:spawn")))
    assert update(desk.installer, ["one"], yes, withhold=True)[0].standing == "updated"
    assert desk.state.granted("one", desk.place("one")) == ()


# -- update, rollback, pin


def test_update_of_what_came_from_a_folder(desk: Desk, make) -> None:
    folder = make("one")
    desk.install(folder)
    assert look(desk.installer)[0].standing == "current"
    (folder / "more.py").write_text("x")
    outlook = update(desk.installer, [], yes)[0]
    assert (outlook.standing, outlook.version, outlook.newest) == ("updated", "1.0.0", "1.0.0")
    assert (desk.place("one") / "more.py").exists()
    (folder / "plugin.toml").write_text(
        (folder / "plugin.toml").read_text().replace('id = "one"', 'id = "two"')
    )
    failed = update(desk.installer, [], yes)[0]
    assert failed.error is not None
    assert failed.error.code == "plugin-changed"


def test_one_that_fails_stops_no_other(desk: Desk, make, shelf) -> None:
    gone = make("gone")
    desk.install(gone)
    gone.rename(gone.with_name("moved"))
    shelf.add(make("v/1", identity="one"))
    desk.install("one")
    shelf.add(make("v/2", identity="one", version="1.1.0"))
    standings = {each.id: each.standing for each in update(desk.installer, [], yes)}
    assert standings == {"gone": "failed", "one": "updated"}


def test_three_versions_are_kept(desk: Desk, make, shelf) -> None:
    for number in range(5):
        shelf.add(make(f"v/{number}", identity="one", version=f"1.{number}.0"))
        desk.install("one", version=f"1.{number}.0")
    assert [each.version for each in desk.installer.installed.read()["one"].versions] == [
        "1.2.0",
        "1.3.0",
        "1.4.0",
    ]
    assert len(desk.installer.store.digests()) == 3
    shelf.releases.clear()  # going back asks nobody
    rollback(desk.installer, "one", yes)
    assert desk.versions() == {"one": "1.3.0"}
    rollback(desk.installer, "one", yes)
    assert desk.versions() == {"one": "1.2.0"}
    refused("rollback-none", lambda: rollback(desk.installer, "one", yes))
    rollback(desk.installer, "one", yes, to="1.4.0")
    assert desk.versions() == {"one": "1.4.0"}
    refused("rollback-none", lambda: rollback(desk.installer, "one", yes, to="1.1.0"))


def test_going_back_brings_no_right_back(desk: Desk, make, shelf) -> None:
    for version in ("1.0.0", "1.1.0"):
        shelf.add(make(f"v/{version}", identity="one", version=version, more=ASKS.format("filesystem:read")))
        desk.install("one", version=version)
    desk.state.grant("one", desk.place("one"), ["filesystem:read"], version="1.1.0", publisher="Me")
    desk.state.revoke("one", desk.place("one"))
    rollback(desk.installer, "one", yes)
    assert desk.state.granted("one", desk.place("one")) == ()


def test_a_damaged_version_is_no_way_back_until_it_is_mended(desk: Desk, make, shelf) -> None:
    for version in ("1.0.0", "1.1.0"):
        shelf.add(make(f"v/{version}", identity="one", version=version))
        desk.install("one", version=version)
    old = desk.installer.installed.read()["one"].versions[0]
    (desk.installer.store.place(old.digest, "one") / "plugin.py").write_text("damaged")
    refused("store-damaged", lambda: rollback(desk.installer, "one", yes))
    assert [bool(each.problems) for each in verify_store(desk.installer)] == [True, False]
    assert [each.mended for each in verify_store(desk.installer, repair=True)] == [True, False]
    rollback(desk.installer, "one", yes)
    assert desk.versions() == {"one": "1.0.0"}


def test_a_pinned_plugin_stays_unless_it_is_named(desk: Desk, make, shelf) -> None:
    shelf.add(make("v/1", identity="one"))
    desk.install("one")
    assert pin(desk.installer, "one", True) == (True, "1.0.0")
    assert pin(desk.installer, "one", True) == (False, "1.0.0")
    shelf.add(make("v/2", identity="one", version="1.1.0"))
    assert look(desk.installer)[0].standing == "pinned"
    assert update(desk.installer, [], yes)[0].standing == "pinned"
    assert update(desk.installer, ["one"], yes)[0].standing == "updated"


# -- uninstall


def test_dependents_stay_in_the_way(desk: Desk, make) -> None:
    desk.install(make("base"))
    desk.install(make("user", more=NEEDS.format("base", "*")))
    desk.install(make("liker", more=NEEDS.format("base", "*") + "optional = true\n"))
    refused("has-dependents", lambda: uninstall(desk.installer, ["base"], yes))
    assert desk.versions().keys() == {"base", "user", "liker"}
    plan = uninstall(desk.installer, ["base"], yes, cascade=True)
    assert [(step.id, step.why) for step in plan.steps] == [("base", ""), ("user", "needs it")]
    assert desk.versions().keys() == {"liker"}
    desk.install(make("base2", identity="base"))
    desk.install(make("user2", identity="user", more=NEEDS.format("base", "*")))
    uninstall(desk.installer, ["base", "user"], yes)


def test_only_installed_plugins_are_taken_away(desk: Desk, make) -> None:
    own = make("project/plugins/mine", identity="mine")
    error = refused("plugin-not-installed", lambda: uninstall(desk.installer, ["mine"], yes))
    assert str(own) in error.message
    desk.install(make("one"))
    error = refused("plugin-not-installed", lambda: uninstall(desk.installer, ["ones"], yes))
    assert "one" in (error.hint or "")


# -- records


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format":1}',
        b'{"format":1,"plugins":{"one":{}}}',
        b'{"format":1,"plugins":{"../x":{"current":"a","versions":[],"held":[],"held_version":""}}}',
        b'{"format":"1","plugins":{}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_record_is_an_error_that_names_it(content: bytes, desk: Desk, make) -> None:
    folder = make("one")
    desk.install(folder)
    path = desk.installer.installed.path
    path.write_bytes(content)
    error = refused("state-damaged", lambda: desk.install(folder))
    assert str(path) in error.message
    assert "mv " in (error.hint or "")
    assert path.read_bytes() == content
    shown = [e for e in discover(builtin_sources(PluginSystemConfig(), desk.places)) if e.error]
    assert [(each.id, each.error and each.error.code) for each in shown] == [
        ("source:installed", "state-damaged")
    ]


def test_a_newer_record_is_left_alone(desk: Desk, make) -> None:
    desk.places.data.mkdir(parents=True)
    desk.installer.installed.path.write_text('{"format":2}')
    refused("state-newer", lambda: desk.install(make("one")))


def test_the_publisher_of_a_grant_counts(desk: Desk, make, shelf) -> None:
    asks = ASKS.format("filesystem:read")
    shelf.add(make("v/1", identity="one", more=asks))
    desk.install("one")
    desk.state.grant("one", desk.place("one"), ["filesystem:read"], version="1.0.0", publisher="Me")
    other = make("v/2", identity="one", version="1.1.0", more=asks)
    text = (other / "plugin.toml").read_text().replace('"Me"', '"Somebody else"')
    (other / "plugin.toml").write_text(text)
    shelf.add(other)
    plans: list[Plan] = []
    update(desk.installer, [], plans.append)
    assert plans[0].steps[0].drops_grants
    assert desk.versions() == {"one": "1.1.0"}
    assert desk.state.granted("one", desk.place("one"), publisher="Somebody else") == ()
