"""A catalogue as a source: search, releases, archives, and everything that can be wrong with its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import DevKitError, IntegrityError, NotFound, PermissionDenied
from devkit_core.loading.offers import Query
from devkit_marketplace.export import export
from devkit_marketplace.index import Index
from devkit_marketplace.listing import FORMAT, Archive, Digest, Record
from devkit_marketplace.source import Catalogue


@pytest.fixture
def folder(make, plugins, tmp_path):
    make("one", "1.1.0", market='category = "tools"\n')
    make("one", "1.0.0", inside="one/releases/1.0.0")
    make("two", market='[licensing]\nis_free = false\npricing = { model = "OneTime", base_price = 500 }\n')
    export(plugins, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def catalogue(folder):
    return Catalogue("here", 500, lambda: Index(folder))


def test_it_has_no_folders_and_opens_nothing_for_that():
    def fail():
        raise AssertionError

    assert Catalogue("here", 500, fail).folders() == ()


def test_search_and_describe(catalogue):
    result = catalogue.search(Query("one", category="tools", free_only=True))
    assert [(each.id, each.version, each.source) for each in result.found] == [("one", "1.1.0", "here")]
    assert catalogue.describe("one").facts["category"] == "tools"
    assert catalogue.describe("three") is None
    assert catalogue.search(Query(sort="price")).found[0].id == "one"


def test_releases_and_their_archives(catalogue, tmp_path):
    releases = catalogue.versions("one")
    assert [each.version for each in releases] == ["1.1.0", "1.0.0"]
    for release in releases:
        target = tmp_path / release.version
        catalogue.fetch(release, target)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == release.sha256
        assert target.stat().st_size == release.size
    assert catalogue.versions("three") == ()


def test_what_is_sold_is_not_handed_out(catalogue, tmp_path):
    (release,) = catalogue.versions("two")
    with pytest.raises(PermissionDenied) as caught:
        catalogue.fetch(release, tmp_path / "new")
    assert caught.value.code == "licence-needed"
    assert not (tmp_path / "new").exists()


def test_only_what_runs_here_is_a_release(folder, catalogue):
    rewrite(folder, "one", lambda record: platform(record, "plan9-vax"))
    assert catalogue.versions("one") == ()


def test_this_machines_archive_goes_before_the_one_for_any(folder):
    from devkit_marketplace.platforms import here

    def both(record):
        (first, *rest) = record.releases
        archives = (*first.archives, msgspec.structs.replace(first.archives[0], platform=here(), size=7))
        return msgspec.structs.replace(
            record, releases=(msgspec.structs.replace(first, archives=archives), *rest)
        )

    rewrite(folder, "one", both)
    assert Catalogue("here", 500, lambda: Index(folder)).versions("one")[0].size == 7


def test_a_changed_archive_is_copied_no_further_than_promised(folder, catalogue, tmp_path):
    release = catalogue.versions("one")[0]
    with (folder / release.location).open("ab") as file:
        file.write(b"x" * 9999)
    catalogue.fetch(release, tmp_path / "new")  # whoever asked for it holds the hash against it
    assert (tmp_path / "new").stat().st_size == release.size


def test_a_release_of_another_catalogue_is_not_found(catalogue, tmp_path):
    release = replace(catalogue.versions("one")[0], location="archives/one/../../../etc/passwd.dkp")
    with pytest.raises(NotFound):
        catalogue.fetch(release, tmp_path / "new")


@pytest.mark.parametrize("name", ["index/one.json", "archives/one/one-1.1.0.dkp"])
def test_a_missing_file(folder, catalogue, tmp_path, name):
    release = catalogue.versions("one")[0]
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match="it is missing") as caught:
        catalogue.fetch(release, tmp_path / "new")
    assert caught.value.code == "catalogue-damaged"
    assert caught.value.place.path == str(folder / name)


def test_a_record_that_is_not_the_one_the_root_names(folder, catalogue):
    path = folder / "index/one.json"
    path.write_bytes(path.read_bytes().replace(b"1.1.0", b"6.6.6"))
    with pytest.raises(IntegrityError, match=r"isn't the file that index\.json names"):
        catalogue.versions("one")


def test_the_wrong_record_with_the_right_hash(folder, catalogue):
    data = (folder / "index/two.json").read_bytes()
    (folder / "index/one.json").write_bytes(data)
    sign(folder, "one", data)
    with pytest.raises(IntegrityError, match="it is about two"):
        catalogue.versions("one")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "catalogue-damaged"),
        ("[]", "catalogue-damaged"),
        ("[" * 100_000, "catalogue-damaged"),
        ("{}", "catalogue-format"),
        ('{"format": 2}', "catalogue-format"),
        ('{"format": "1"}', "catalogue-format"),
        ('{"format": 1, "name": "Not A Word"}', "catalogue-damaged"),
        ('{"format": 1, "name": "x", "plugins": {"../x": {}}}', "catalogue-damaged"),
    ],
)
def test_a_root_that_is_none(folder, catalogue, text, code):
    (folder / "index.json").write_text(text)
    with pytest.raises(IntegrityError) as caught:
        catalogue.search(Query())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "path",
    ["../../x.dkp", "archives/../x.dkp", "/etc/x.dkp", "archives/one/../../x.dkp", "archives/one/x.so"],
)
def test_an_archive_outside_the_catalogue(path):
    data = {"platform": "any", "path": path, "sha256": "0" * 64, "size": 1}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, Archive)


def test_no_catalogue_is_said_and_asked_again(tmp_path):
    source = Catalogue("here", 500, lambda: Index(tmp_path))
    for _ in range(2):
        with pytest.raises(NotFound) as caught:
            source.search(Query())
        assert caught.value.code == "catalogue-missing"


@given(st.binary(max_size=200))
def test_any_root_is_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    (folder / "index.json").write_bytes(data)
    with pytest.raises(DevKitError):
        _ = Index(folder).root


def rewrite(folder, plugin, change):
    """Change a record, and the hash that the root has of it."""
    path = folder / "index" / f"{plugin}.json"
    data = msgspec.json.encode(change(msgspec.json.decode(path.read_bytes(), type=Record)))
    path.write_bytes(data)
    sign(folder, plugin, data)


def sign(folder, plugin, data):
    root = json.loads((folder / "index.json").read_bytes())
    digest = Digest(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    root["plugins"][plugin]["record"] = msgspec.to_builtins(digest)
    assert root["format"] == FORMAT
    (folder / "index.json").write_text(json.dumps(root))


def platform(record, name):
    releases = tuple(
        msgspec.structs.replace(
            each, archives=tuple(msgspec.structs.replace(one, platform=name) for one in each.archives)
        )
        for each in record.releases
    )
    return msgspec.structs.replace(record, releases=releases)
