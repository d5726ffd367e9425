"""Resolution: order, failures, and agreement with a brute-force oracle."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit_core.catalog.offers import DEVKIT, Offers
from devkit_core.catalog.reasons import _LOADERS
from devkit_core.catalog.resolver import Available, Need, Order, order
from devkit_core.catalog.solving import Impossible
from devkit_core.catalog.solving import solve as search
from devkit_core.errors import DependencyConflict, DependencyCycle, DependencyError, DependencyMissing
from devkit_core.model.versions import parse_requirement, parse_version
from devkit_core.running.factory import DISTRIBUTIONS


def plugin(name: str, version: str = "1.0.0", *needs: str, oldest: str = "", newest: str = "") -> Available:
    """`needs` are `b`, `b >=2`, or `?b` for an optional one."""
    found = []
    for each in needs:
        identity, _, requirement = each.lstrip("?").partition(" ")
        found.append(Need(identity, parse_requirement(requirement or "*"), each.startswith("?")))
    bounds = [parse_version(each) if each else None for each in (oldest, newest)]
    return Available(name, parse_version(version), f"plugins/{name}", tuple(found), *bounds)


def solve(*offered: Available, wanted: str | None = None, **more) -> Order:
    ids = wanted.split() if wanted is not None else [each.id for each in offered]
    runtimes = more.pop("runtimes", {"python-runtime": "3.11.7"})
    return order(ids, offered, runtimes, more.pop("devkit", "1.0.0"), **more)


def ids(result: Order) -> list[str]:
    return [each.id for each in result.sequence]


def failure(result: Order, plugin: str) -> DependencyError:
    return result.failures[plugin]


def test_loads_each_plugin_after_what_it_needs_and_by_id_otherwise():
    result = solve(
        plugin("z"), plugin("b", "1.0.0", "c"), plugin("c", "1.0.0", "d"), plugin("d"), plugin("a")
    )
    assert ids(result) == ["a", "d", "c", "b", "z"]
    assert not result.failures


def test_takes_along_what_a_wanted_plugin_needs():
    result = solve(plugin("a", "1.0.0", "b"), plugin("b"), plugin("c"), wanted="a")
    assert ids(result) == ["b", "a"]


def test_chooses_the_newest_version_that_goes_with_the_others():
    versions = [plugin("c", v) for v in ("1.0.0", "1.9.0", "2.0.0", "2.1.0-rc.1")]
    result = solve(plugin("a", "1.0.0", "c <2"), plugin("b", "1.0.0", "c"), *versions, wanted="a b")
    assert [str(each) for each in result.sequence] == ["c 1.9.0", "a 1.0.0", "b 1.0.0"]


def test_a_missing_plugin_is_said_with_its_chain():
    result = solve(plugin("a", "1.0.0", "b"), plugin("b", "1.0.0", "c >=2"), plugin("d"))
    assert ids(result) == ["d"]
    error = failure(result, "a")
    assert isinstance(error, DependencyMissing)
    assert error.chain == ("a", "b", "c")
    assert error.message == "a → b: b needs c >=2, but there is no plugin c"
    assert error.plugin == "a"


def test_a_version_that_will_not_do_is_said_with_its_place():
    error = failure(solve(plugin("a", "1.0.0", "b >=2"), plugin("b")), "a")
    assert isinstance(error, DependencyConflict)
    assert error.message == "a needs b >=2, but 1.0.0 is in plugins/b"
    assert error.chain == ("a", "b")


def test_a_missing_loader_names_the_distribution():
    error = failure(solve(plugin("a", "1.0.0", "python-runtime >=3.8"), runtimes={}), "a")
    assert isinstance(error, DependencyMissing)
    assert error.hint == "pip install devkit-loader-python"


def test_a_runtime_that_nobody_knows_names_no_distribution():
    error = failure(solve(plugin("a", "1.0.0", "ai-runtime")), "a")
    assert "pip" not in (error.hint or "")


def test_the_loaders_named_are_those_that_the_factory_names():
    named = {name.removesuffix("-runtime"): dist.strip('"').split("[")[0] for name, dist in _LOADERS.items()}
    assert named == DISTRIBUTIONS


def test_a_runtime_that_its_loader_did_not_find_comes_with_an_extra():
    error = failure(solve(plugin("a", "1.0.0", "node-runtime >=22"), runtimes={}), "a")
    assert error.message == "a needs node-runtime >=22, but nothing here provides node-runtime"
    assert error.hint == 'pip install "devkit-loader-node[node]"'


def test_runtimes_have_versions():
    assert ids(solve(plugin("a", "1.0.0", "python-runtime >=3.8"))) == ["a"]
    error = failure(solve(plugin("a", "1.0.0", "python-runtime >=3.12")), "a")
    assert error.message == "a needs python-runtime >=3.12, but 3.11.7 is what there is"


def test_a_plugin_can_not_pass_for_a_runtime():
    result = solve(plugin("a", "1.0.0", "python-runtime >=9"), plugin("python-runtime", "9.0.0"), wanted="a")
    assert isinstance(failure(result, "a"), DependencyConflict)


@pytest.mark.parametrize("virtual", ["python-runtime", DEVKIT])
def test_a_virtual_package_is_no_plugin(virtual):
    result = solve(
        plugin("a", "1.0.0", f"?{virtual}", "python-runtime", oldest="1.0.0"), wanted=f"a {virtual}"
    )
    assert ids(result) == ["a"]
    assert isinstance(failure(result, virtual), DependencyMissing)


@pytest.mark.parametrize(
    ("bounds", "fits"),
    [
        ({"oldest": "1.0.0"}, True),
        ({"oldest": "1.0.1"}, False),
        ({"newest": "1.0.0"}, True),
        ({"newest": "0.9.0"}, False),
    ],
)
def test_the_versions_of_devkit_that_a_plugin_runs_on(bounds, fits):
    result = solve(plugin("a", **bounds), plugin("b"))
    assert ids(result) == (["a", "b"] if fits else ["b"])
    if not fits:
        assert failure(result, "a").code == "dependency-devkit"


def test_a_cycle_of_three_shows_its_chain_and_stops_nobody_else():
    ring = [plugin("a", "1.0.0", "b"), plugin("b", "1.0.0", "c"), plugin("c", "1.0.0", "a")]
    result = solve(*ring, plugin("d"), plugin("e", "1.0.0", "b"))
    assert ids(result) == ["d"]
    error = failure(result, "a")
    assert isinstance(error, DependencyCycle)
    assert "a → b → c → a" in error.message
    assert failure(result, "e").chain == ("e", "b", "c", "a", "b")
    assert set(result.failures) == {"a", "b", "c", "e"}


def test_a_plugin_that_needs_itself_is_a_cycle():
    assert failure(solve(plugin("a", "1.0.0", "a")), "a").chain == ("a", "a")


def test_two_that_disagree_leave_the_first_and_say_why():
    offered = [plugin("a", "1.0.0", "c <2"), plugin("b", "1.0.0", "c >=2"), plugin("c"), plugin("c", "2.0.0")]
    result = solve(*offered, wanted="a b")
    assert ids(result) == ["c", "a"]
    error = failure(result, "b")
    assert isinstance(error, DependencyConflict)
    assert "a 1.0.0 needs c <2" in error.message
    assert "b 1.0.0 needs c >=2" in error.message


def test_an_unusable_plugin_is_no_missing_one():
    result = solve(plugin("a", "1.0.0", "b"), unusable={"b": "its plugin.toml is empty"})
    assert failure(result, "a").message == "a needs b, but b can't be used: its plugin.toml is empty"


def test_optional_needs_come_first_where_they_can_and_stop_nothing_where_not():
    assert ids(solve(plugin("a", "1.0.0", "?b"), plugin("b"), wanted="a")) == ["b", "a"]
    assert ids(solve(plugin("a", "1.0.0", "?b"))) == ["a"]
    assert ids(solve(plugin("a", "1.0.0", "?b >=2"), plugin("b"))) == ["a", "b"]
    assert ids(solve(plugin("a", "1.0.0", "?b"), plugin("b", "1.0.0", "gone"), wanted="a")) == ["a"]


def test_an_optional_need_closes_no_cycle():
    result = solve(plugin("a", "1.0.0", "?b"), plugin("b", "1.0.0", "a"))
    assert ids(result) == ["a", "b"]
    assert not result.failures


def test_what_was_never_there_fails_like_anything_else():
    assert failure(solve(plugin("a"), wanted="a nobody"), "nobody").message == "there is no plugin nobody"


def hard(seed: int, needs: int, width: int, *, rings: bool = False) -> list[Available]:
    """Forty plugins of thirty versions, each with ranges of `width` versions on later plugins, or on any."""
    chance = random.Random(seed)
    found = []
    for i, version in itertools.product(range(40), range(30)):
        others = [j for j in range(40) if j > i or (rings and j != i)]
        others = chance.sample(others, min(needs, len(others)))
        lows = [chance.randrange(30) for _ in others]
        asked = [f"p{j} >={low},<{low + width}" for j, low in zip(others, lows, strict=True)]
        found.append(plugin(f"p{i}", f"{version}.0.0", *asked))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("needs", "width"), [(2, 10), (3, 15), (4, 20)])
def test_forty_plugins_of_thirty_versions_with_conflicting_ranges_are_solved(seed, needs, width):
    result = solve(*hard(seed, needs, width), wanted="p0 p1 p2")
    assert not result.failures
    assert len(result.sequence) > 15
    check_order(result)


@pytest.mark.parametrize(
    ("needs", "width", "rings", "wanted"),
    [(4, 10, True, 2), (4, 10, True, 40), (2, 6, False, 40)],  # the last was endless once
)
def test_a_question_that_is_too_hard_ends_with_an_error(needs, width, rings, wanted):
    names = [f"p{i}" for i in range(wanted)]
    result = solve(*hard(0, needs, width, rings=rings), wanted=" ".join(names))
    check_order(result)
    assert result.failures
    assert {each.id for each in result.sequence} & set(names) == set(names) - set(result.failures)
    codes = {error.code for error in result.failures.values()}
    assert codes <= {"dependency-too-hard", "dependency-conflict", "dependency-cycle"}
    assert "dependency-too-hard" in codes


def test_a_limit_of_steps_is_kept():
    result = solve(*hard(0, 2, 10), wanted="p0", steps=5)
    assert failure(result, "p0").code == "dependency-too-hard"


def test_a_chain_of_a_thousand_is_no_recursion():
    chain = [plugin(f"p{i}", "1.0.0", f"p{i + 1}") for i in range(1000)]
    assert len(solve(*chain, plugin("p1000"), wanted="p0").sequence) == 1001
    assert failure(solve(*chain, wanted="p0"), "p0").chain[-1] == "p1000"


def check_order(result: Order) -> None:
    """What any answer must hold, whatever the question."""
    chosen = {each.id: each for each in result.sequence}
    assert len(chosen) == len(result.sequence)
    before: set[str] = set()
    for each in result.sequence:
        for need in each.needs:
            if not need.optional:
                assert need.id in before
                assert need.requirement.allows(chosen[need.id].version)
        before.add(each.id)


def possible(wanted: list[str], offered: list[Available]) -> bool:
    """The oracle: whether some choice of versions, at most one a plugin, holds what all need."""
    names = sorted({each.id for each in offered})
    choices = [[None, *(each for each in offered if each.id == name)] for name in names]
    for choice in itertools.product(*choices):
        chosen = {each.id: each for each in choice if each is not None}
        if all(name in chosen for name in wanted) and all(
            need.id in chosen and need.requirement.allows(chosen[need.id].version)
            for each in chosen.values()
            for need in each.needs
        ):
            return True
    return False


@st.composite
def questions(draw, acyclic: bool) -> list[Available]:
    names = "abcd"
    offered = []
    for index, name in enumerate(names):
        for version in range(1, 1 + draw(st.integers(0 if index else 1, 3))):
            others = names[index + 1 :] if acyclic else names.replace(name, "")
            needs = []
            for other in others:
                if draw(st.booleans()):
                    needs.append(
                        f"{other} {draw(st.sampled_from(['*', '>=2', '<2', '==2.*', '>=2,<3', '!=2.0.0']))}"
                    )
            offered.append(plugin(name, f"{version}.0.0", *needs))
    return offered


@settings(max_examples=300, deadline=None)
@given(questions(acyclic=True), st.sets(st.sampled_from("abcd"), min_size=1))
def test_finds_an_answer_exactly_where_there_is_one(offered, wanted):
    names = sorted(wanted)
    result = order(names, offered, {}, "1.0.0")
    check_order(result)
    assert set(result.failures) == {name for name in names if name not in {e.id for e in result.sequence}}
    assert (not result.failures) == possible(names, offered)
    # Those that stayed stay in order of id: one fails only if it doesn't go with the ones before it.
    kept: list[str] = []
    for name in names:
        fits = possible([*kept, name], offered)
        assert (name not in result.failures) == fits
        kept += [name] if fits else []


def found(offered: list[Available], wanted: list[str]) -> dict[str, Available] | None:
    """What the search itself finds, rings or not."""
    try:
        return search(Offers(offered, {}, parse_version("1.0.0")), dict.fromkeys(wanted, -1), 2_000)
    except Impossible:
        return None


@settings(max_examples=300, deadline=None)
@given(questions(acyclic=False), st.sets(st.sampled_from("abcd"), min_size=1))
def test_the_search_says_no_only_where_no_choice_is_left_rings_or_not(offered, wanted):
    names = sorted(wanted)
    chosen = found(offered, names)
    assert (chosen is not None) == possible(names, offered)
    for each in (chosen or {}).values():
        for need in each.needs:
            assert need.requirement.allows(chosen[need.id].version)


def test_a_choice_that_would_help_is_not_jumped_over():
    """resolvelib alone says no here, in any order of choices: sarugaku/resolvelib#206."""
    offered = [
        plugin("a", "2.0.0", "c ==2"), plugin("b", "2.0.0", "a ==2"), plugin("b", "1.0.0"),
        plugin("c", "2.0.0", "b ==3"), plugin("c", "1.0.0", "b <=2"),
    ]  # fmt: skip
    chosen = found(offered, ["c"])
    assert chosen is not None
    assert {str(each) for each in chosen.values()} == {"c 1.0.0", "b 1.0.0"}


@settings(max_examples=200, deadline=None)
@given(questions(acyclic=False), st.sets(st.sampled_from("abcd"), min_size=1), st.randoms())
def test_any_question_has_one_answer_that_holds(offered, wanted, chance):
    first = order(wanted, offered, {}, "1.0.0")
    check_order(first)
    shuffled = list(offered)
    chance.shuffle(shuffled)
    second = order(sorted(wanted), shuffled, {}, "1.0.0")
    assert [str(each) for each in first.sequence] == [str(each) for each in second.sequence]
    assert {k: e.message for k, e in first.failures.items()} == {
        k: e.message for k, e in second.failures.items()
    }
    for name, error in first.failures.items():
        assert error.chain[0] == name
        assert error.hint


@settings(max_examples=150, deadline=None)
@given(questions(acyclic=False))
def test_with_one_version_each_a_plugin_fails_exactly_where_it_must(offered):
    newest = list({each.id: each for each in offered}.values())
    by_id = {each.id: each for each in newest}

    def loads(name: str, way: tuple[str, ...]) -> bool:
        if name in way or name not in by_id:
            return False
        return all(
            need.id in by_id
            and need.requirement.allows(by_id[need.id].version)
            and loads(need.id, (*way, name))
            for need in by_id[name].needs
        )

    result = order(by_id, newest, {}, "1.0.0")
    assert {each.id for each in result.sequence} == {name for name in by_id if loads(name, ())}
