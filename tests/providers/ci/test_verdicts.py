"""What all runs of a commit's tests say together: one rule for GitHub,
GitLab, Jenkins and Buildbot.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.quality import QualityState
from bot.providers.ci.verdicts import Outcome, Said, newest, to_repeat, weigh

GREEN, RED, RUNNING, NONE = (
    QualityState.GREEN,
    QualityState.RED,
    QualityState.RUNNING,
    QualityState.NONE,
)
PUSH, TAG, NIGHTLY = ("ci", "push", "main"), ("ci", "push", "v1.0.0"), ("ci", "schedule", "main")
RANK = {RED: 3, RUNNING: 2, GREEN: 1, NONE: 0}


def ran(of: tuple[str, ...], *said: Said, name: str = "ci") -> list[Outcome]:
    """Give runs of one thing, the oldest first."""
    return [Outcome(name, each, of, (number,)) for number, each in enumerate(said)]


@pytest.mark.case("ci-and-refs-4")
@pytest.mark.case("ci-and-refs-5")
@pytest.mark.case("ci-and-refs-14")
@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], NONE),
        (ran(PUSH, Said.PASSED), GREEN),
        (ran(PUSH, Said.FAILED, Said.PASSED), GREEN),
        (ran(PUSH, Said.PASSED, Said.FAILED), RED),
        (ran(PUSH, Said.PASSED, Said.RUNNING), RUNNING),
        (ran(PUSH, Said.STOPPED, Said.PASSED), GREEN),
        (ran(PUSH, Said.PASSED, Said.STOPPED), GREEN),
        (ran(PUSH, Said.FAILED, Said.STOPPED), RED),
        (ran(PUSH, Said.FAILED, Said.SKIPPED), RED),
        (ran(PUSH, Said.STOPPED), NONE),
        (ran(PUSH, Said.SKIPPED), NONE),
        (ran(PUSH, Said.FAILED) + ran(TAG, Said.PASSED), RED),
        (ran(PUSH, Said.FAILED) + ran(NIGHTLY, Said.PASSED), RED),
        (ran(PUSH, Said.PASSED) + ran(TAG, Said.STOPPED), GREEN),
        (ran(PUSH, Said.PASSED) + ran(TAG, Said.RUNNING), RUNNING),
        (ran(PUSH, Said.FAILED) + ran(TAG, Said.RUNNING), RED),
    ],
)
def test_only_the_same_thing_run_again_replaces_an_earlier_run(
    outcomes: list[Outcome], state: QualityState
) -> None:
    assert weigh(outcomes).state is state


@pytest.mark.case("ci-and-refs-3")
@pytest.mark.parametrize("other", [Said.PASSED, Said.SKIPPED, Said.STOPPED])
@pytest.mark.parametrize("required", [(), ("tests",)])
def test_a_failed_job_does_not_hide_behind_a_namesake(
    other: Said, required: tuple[str, ...]
) -> None:
    namesakes = [Outcome("tests", Said.FAILED, ("1",), (1,)), Outcome("tests", other, ("2",), (2,))]
    for listed in permutations(namesakes):
        assert weigh(listed, required=required).state is RED


@pytest.mark.case("ci-and-refs-16")
@pytest.mark.parametrize(("only_required", "state"), [(False, RED), (True, GREEN)])
def test_whether_other_checks_count_beside_the_required_ones_is_a_choice(
    *, only_required: bool, state: QualityState
) -> None:
    outcomes = ran(("unit",), Said.PASSED, name="unit") + ran(("lint",), Said.FAILED, name="lint")
    weighed = weigh(outcomes, required=["unit"], only_required=only_required)
    assert weighed.state is state
    assert [each.name for each in weighed.beside] == (["lint"] if only_required else [])


@pytest.mark.parametrize(
    ("heard", "state", "missing"),
    [
        (ran(("e2e",), Said.PASSED, name="e2e"), GREEN, ()),
        (ran(("e2e",), Said.SKIPPED, name="e2e"), GREEN, ()),
        (ran(("e2e",), Said.STOPPED, name="e2e"), NONE, ("e2e",)),
        ([], NONE, ("e2e",)),
    ],
)
def test_a_required_check_that_has_said_nothing_is_missing(
    heard: list[Outcome], state: QualityState, missing: tuple[str, ...]
) -> None:
    weighed = weigh([*ran(("unit",), Said.PASSED, name="unit"), *heard], required=["unit", "e2e"])
    assert (weighed.state, weighed.missing) == (state, missing)


def test_a_part_speaks_only_where_it_is_required() -> None:
    run = Outcome("ci", Said.PASSED, ("ci",), (1,))
    part = Outcome("allowed to fail", Said.FAILED, ("ci", "part"), (1,), is_part=True)
    assert weigh([run, part]).state is GREEN
    assert weigh([run, part], required=["allowed to fail"]).state is RED


OUTCOMES = st.lists(
    st.builds(
        Outcome,
        st.sampled_from(["unit", "e2e"]),
        st.sampled_from(Said),
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["main", "v1"])),
        st.tuples(st.integers(0, 5)),
    ),
    max_size=8,
    unique_by=lambda each: (each.of, each.at),
)


@given(OUTCOMES.flatmap(lambda outcomes: st.tuples(st.just(outcomes), st.permutations(outcomes))))
def test_the_order_of_the_list_says_nothing(both: tuple[list[Outcome], list[Outcome]]) -> None:
    outcomes, shuffled = both
    assert weigh(shuffled).state is weigh(outcomes).state


@given(OUTCOMES)
def test_what_tested_nothing_changes_nothing(outcomes: list[Outcome]) -> None:
    tested = [each for each in outcomes if each.said not in {Said.STOPPED, Said.SKIPPED}]
    assert weigh(outcomes).state is weigh(tested).state


@given(OUTCOMES, OUTCOMES)
def test_more_things_beside_make_it_at_most_worse(
    some: list[Outcome], others: list[Outcome]
) -> None:
    elsewhere = [Outcome(each.name, each.said, ("elsewhere", *each.of), each.at) for each in others]
    together = RANK[weigh([*some, *elsewhere]).state]
    assert together == max(RANK[weigh(some).state], RANK[weigh(elsewhere).state])


@given(OUTCOMES)
def test_green_means_that_something_passed_and_nothing_that_counts_failed(
    outcomes: list[Outcome],
) -> None:
    if weigh(outcomes).state is GREEN:
        said = {each.said for each in newest(outcomes)}
        assert Said.PASSED in said
        assert said.isdisjoint({Said.FAILED, Said.RUNNING})


@pytest.mark.case("ci-and-refs-7")
@pytest.mark.parametrize(
    ("outcomes", "repeated"),
    [
        ([], []),
        (ran(PUSH, Said.FAILED) + ran(TAG, Said.STOPPED, Said.PASSED), [PUSH]),
        (
            ran(PUSH, Said.FAILED)
            + ran(TAG, Said.RUNNING)
            + ran(NIGHTLY, Said.STOPPED, Said.FAILED),
            [NIGHTLY, PUSH],
        ),
        (ran(PUSH, Said.STOPPED) + ran(TAG, Said.STOPPED, Said.PASSED), [PUSH]),
        (ran(PUSH, Said.STOPPED) + ran(TAG, Said.RUNNING), [TAG]),
        (ran(PUSH, Said.PASSED) + ran(TAG, Said.STOPPED, Said.PASSED), [TAG]),
    ],
)
def test_what_keeps_a_commit_from_being_green_is_repeated_and_nothing_else(
    outcomes: list[Outcome], repeated: list[tuple[str, ...]]
) -> None:
    assert [each.of for each in to_repeat(outcomes)] == repeated


@pytest.mark.case("ci-and-refs-7")
def test_since_when_tests_run_is_since_the_first_that_still_does() -> None:
    began = [datetime(2026, 11, 21, 10, minute, tzinfo=UTC) for minute in (5, 4, 1)]
    runs = [
        Outcome(name, Said.RUNNING, (name,), since=since)
        for name, since in (("lint", began[0]), ("unit", began[1]))
    ]
    done = Outcome("docs", Said.PASSED, ("docs",), since=began[2])
    assert weigh([*runs, done]).since == began[1]
    assert weigh([done]).since is None
