"""What the host knows of plugins and of who needs whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.catalog.registry import Registry
from devkit_core.errors import HasDependents, LoadError, NotFound
from devkit_core.model.types import Discovered


def found(identity: str, source: str = "project", **more) -> Discovered:
    return Discovered(identity, Path("/x") / source / identity, source, **more)


def loaded(**needs: str) -> Registry:
    registry = Registry()
    for plugin, others in needs.items():
        registry.add_loaded(plugin, others.split())
    return registry


def test_the_one_that_can_be_used_counts():
    broken, good, far = (
        found("a", error=LoadError("x")),
        found("a", "user"),
        found("a", "far", shadowed_by="user"),
    )
    registry = Registry()
    registry.replace([broken, good, far, found("b")])
    assert registry.get("a") is good
    assert list(registry) == [broken, good, far, found("b")]
    assert ("a" in registry, "c" in registry, registry.get("c")) == (True, False, None)


def test_an_unusable_one_is_known_all_the_same():
    broken = found("a", error=LoadError("x"))
    registry = Registry()
    registry.replace([broken, found("a", "user", shadowed_by="project")])
    assert registry.find("a") is broken


def test_an_unknown_one_has_a_hint():
    registry = Registry()
    registry.replace([found("json-tools")])
    with pytest.raises(NotFound) as caught:
        registry.find("json-tool")
    assert caught.value.hint == "Did you mean json-tools?"
    with pytest.raises(NotFound, match="there is no plugin"):
        registry.find("\x1b[31m" * 1000)


def test_dependents_come_last_loaded_first():
    registry = loaded(a="", b="a", c="b", d="", e="c a")
    assert registry.loaded() == ["a", "b", "c", "d", "e"]
    assert registry.dependents("a") == ["e", "c", "b"]
    assert registry.dependents("d") == []
    assert registry.dependencies("e") == ["a", "c"]


def test_unloading_is_refused_while_others_need_it():
    registry = loaded(a="", b="a", c="b")
    with pytest.raises(HasDependents) as caught:
        registry.check_unload("a")
    assert caught.value.message == "a is needed by b, c"
    assert "--cascade" in caught.value.hint
    registry.check_unload("c")


def test_what_is_unloaded_holds_nothing_any_more():
    registry = loaded(a="", b="a")
    registry.remove_loaded("b")
    registry.remove_loaded("never-there")
    assert registry.dependents("a") == []
    registry.check_unload("a")


def test_a_new_discovery_keeps_what_is_loaded():
    registry = loaded(a="", b="a")
    registry.replace([])
    assert registry.loaded() == ["a", "b"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6))
def test_unloading_in_the_order_of_dependents_breaks_nobody(needs):
    registry = Registry()
    order = sorted(needs)
    for plugin in order:  # each is loaded after what it needs, so it needs earlier ones only
        registry.add_loaded(plugin, {each for each in needs[plugin] if each < plugin and each in needs})
    for plugin in order:
        for each in [*registry.dependents(plugin), plugin]:
            if each in registry.loaded():
                registry.check_unload(each)
                registry.remove_loaded(each)
    assert registry.loaded() == []
