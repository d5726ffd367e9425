"""Making a catalogue: what goes in, what is left out, what is refused, and that it is all or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from devkit_core.errors import DevKitError, ManifestError, UsageError
from devkit_marketplace.export import export


def test_every_release_with_its_hashes(make, plugins, tmp_path):
    more = (
        'min_devkit_version = "0.1.0"\n[[dependencies]]\nid = "python-runtime"\nversion = ">=3.8"\n'
        '[permissions]\npermissions = ["filesystem:read"]\n'
    )
    make("one", "1.10.0", more=more)
    make("one", "1.9.0", inside="one/releases/1.9.0")
    make("one", "1.2.0", inside="one/releases/1.2.0", market="yanked = true\n")
    target = tmp_path / "out"
    root = export(plugins, target)
    entry = root.plugins["one"]
    data = (target / "index" / "one.json").read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.record.sha256, entry.record.size)
    releases = json.loads(data)["releases"]
    assert [each["version"] for each in releases] == ["1.10.0", "1.9.0", "1.2.0"]
    assert [each["yanked"] for each in releases] == [False, False, True]
    newest = releases[0]
    assert newest["requires"] == [{"id": "python-runtime", "version": ">=3.8", "optional": False}]
    assert (newest["permissions"], newest["min_devkit_version"]) == (["filesystem:read"], "0.1.0")
    for release in releases:
        (archive,) = release["archives"]
        packed = (target / archive["path"]).read_bytes()
        assert (hashlib.sha256(packed).hexdigest(), len(packed)) == (archive["sha256"], archive["size"])
        assert archive["platform"] == "any"
    assert entry.listing.version == "1.10.0"
    assert entry.listing.updated_at == "2026-01-02T03:04:05Z"


def test_the_package_has_the_plugin_and_no_release_that_is_ignored(make, plugins, tmp_path):
    (make("one", "1.1.0") / ".devkitignore").write_text("releases/\n")
    make("one", "1.0.0", inside="one/releases/1.0.0")
    export(plugins, tmp_path / "out")
    data = (tmp_path / "out/archives/one/one-1.1.0.dkp").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert sorted(archive.getnames()) == [
            "one-1.1.0/FILES.json", "one-1.1.0/plugin.py", "one-1.1.0/plugin.toml",
        ]  # fmt: skip


def test_the_same_plugins_give_the_same_bytes(make, plugins, tmp_path):
    make("one")
    make("two", market='category = "tools"\n')
    for name in ("a", "b"):
        export(plugins, tmp_path / name)
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    )
    assert first == second


def test_the_listing_is_of_the_newest_that_is_meant_for_all(make, plugins, tmp_path):
    make("one", "3.0.0-rc.1")
    make("one", "2.0.0", inside="one/releases/2.0.0", market="yanked = true\n")
    make("one", "1.0.0", inside="one/releases/1.0.0")
    make("early", "0.1.0-alpha.1")
    root = export(plugins, tmp_path / "out")
    assert {name: each.listing.version for name, each in root.plugins.items()} == {
        "one": "1.0.0",
        "early": "0.1.0-alpha.1",
    }


def test_a_missing_tool_leaves_the_plugin_out_by_name(make, plugins, tmp_path):
    make("one")
    make("native", entry="x.so", code=None, market='[build]\ncommand = ["no-such-compiler", "-o"]\n')
    make("unbuilt", entry="x.so", code=None)
    make("fails", entry="x.so", code=None, market='[build]\ncommand = ["sh", "-c", "echo why; exit 3"]\n')
    root = export(plugins, tmp_path / "out")
    assert list(root.plugins) == ["one"]
    assert {each.id: each.reason for each in root.not_built} == {
        "native": "no-such-compiler isn't there to build it",
        "unbuilt": "its entry point x.so isn't there",
        "fails": "sh ended with 3: why",
    }


def test_a_build_runs_in_a_copy_and_native_code_is_for_this_machine(make, plugins, tmp_path):
    command = '["sh", "-c", "printf \'\\\\177ELFx\' > x.so"]'
    folder = make("native", entry="x.so", code=None, market=f"[build]\ncommand = {command}\n")
    export(plugins, tmp_path / "out")
    assert sorted(each.name for each in folder.iterdir()) == ["marketplace.toml", "plugin.toml"]
    (release,) = json.loads((tmp_path / "out/index/native.json").read_bytes())["releases"]
    assert release["archives"][0]["platform"].startswith("linux-")


def test_a_wrong_plugin_ends_the_export_or_is_left_out(make, plugins, tmp_path):
    make("one")
    (make("broken") / "plugin.toml").write_text("[metadata]\n")
    target = tmp_path / "out"
    with pytest.raises(ManifestError):
        export(plugins, target)
    assert not target.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["plugins"]
    root = export(plugins, target, tolerant=True)
    assert list(root.plugins) == ["one"]
    assert [each.id for each in root.not_built] == ["broken"]


@pytest.mark.parametrize(
    ("inside", "version", "said"),
    [("else", "1.0.0", "its folder is 'else'"), ("one/releases/x", "1.0.0", "there is a one 1.0.0 already")],
)
def test_a_release_in_the_wrong_place(make, plugins, tmp_path, inside, version, said):
    make("one")
    make("one", version, inside=inside)
    with pytest.raises(DevKitError, match=said) as caught:
        export(plugins, tmp_path / "out")
    assert caught.value.code == "catalogue-plugin"


def test_only_a_catalogue_is_replaced(make, plugins, tmp_path):
    make("one")
    target = tmp_path / "out"
    export(plugins, target)
    make("two")
    assert set(export(plugins, target).plugins) == {"one", "two"}
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    (tmp_path / "link").symlink_to(target)
    for wrong in (other, other / "thesis.txt", tmp_path / "link"):
        with pytest.raises(UsageError) as caught:
            export(plugins, wrong)
        assert caught.value.code == "catalogue-target"
    assert (other / "thesis.txt").read_text() == "years of work"


def test_a_failed_replacement_leaves_the_earlier_one(make, plugins, tmp_path):
    make("one")
    target = tmp_path / "out"
    export(plugins, target)
    before = (target / "index.json").read_bytes()
    (make("broken") / "plugin.toml").write_text("[metadata]\n")
    with pytest.raises(ManifestError):
        export(plugins, target)
    assert (target / "index.json").read_bytes() == before
