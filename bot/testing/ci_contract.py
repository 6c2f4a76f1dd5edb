"""What every CI provider promises, whoever stands behind it.

A provider takes this suite by importing its classes into a test module and giving a fixture
``lab``: a laboratory, opened, with a repository without commits. Each test is a coroutine, so
pytest-asyncio must run in its mode ``auto``.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIProvider, CIRun, GateAnswer, Quality, StartRequest

__all__ = [
    "Lab", "TestCancelling", "TestComparing", "TestFacts", "TestFreezes",
    "TestGates", "TestResolving", "TestRuns", "TestTestingAgain",
]  # fmt: skip

PATIENCE = 20.0


class Lab(Protocol):
    """What a provider's own side must be able to do for the contract suite."""

    ci: CIProvider

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        """Make a commit of ``ana`` on the main line that changes some file and whose
        deployment has three stages.

        Stage number ``failing`` fails (none: -1); the last one goes on until it is cancelled when
        it is ``held``. ``tests`` is a shell command: ``true`` for tests that pass, ``exit 1`` for
        tests that fail, empty for no tests.
        """
        ...

    def gated(self, subject: str) -> str:
        """Make a commit whose deployment waits at a gate that can be opened from here; empty where
        the provider has no such gates.
        """
        ...

    def branch(self, name: str, start: str) -> None:
        """Begin a branch at a commit and go on there."""
        ...

    def tag(self, name: str, commit: str) -> None:
        """Tag a commit."""
        ...

    def started(self) -> int:
        """Count the deployments that really began."""
        ...


async def reaches(ci: CIProvider, run: CIRun, *states: RunState) -> CIRun:
    """Wait until a run is in one of the states."""
    async with asyncio.timeout(PATIENCE):
        while (seen := await ci.look(run.id)).state not in states:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.02)
    return seen


async def ends(ci: CIProvider, run: CIRun) -> CIRun:
    """Wait until a run is over."""
    return await reaches(ci, run, *(state for state in RunState if state.is_final))


async def holds(ci: CIProvider, run: CIRun) -> CIRun:
    """Wait until the last stage runs."""
    async with asyncio.timeout(PATIENCE):
        while (  # noqa: ASYNC110
            not (seen := await ci.look(run.id)).stages
            or seen.stages[-1].state is not RunState.RUNNING
        ):
            await asyncio.sleep(0.02)
    return seen


async def tested(ci: CIProvider, commit: str) -> Quality:
    """Wait until no tests of a commit are under way."""
    async with asyncio.timeout(PATIENCE):
        while (seen := await ci.quality(commit)).state is QualityState.RUNNING:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.02)
    return seen


async def asked_again(ci: CIProvider, commit: str) -> CIRun | IntegrationError:
    """Ask for a commit's tests again; give the run, or the refusal."""
    try:
        return await ci.test_again(commit)
    except IntegrationError as refused:
        return refused


def deploy(commit: str, correlation: str = "shop-1:deploy", action: str = "deploy") -> StartRequest:
    """Give the intent that most tests carry out."""
    return StartRequest(correlation, commit, "production", action, {"percent": "25"})


class TestResolving:
    """Refs become commits once, and what is unsafe or unknown is refused."""

    async def test_a_tag_a_branch_and_a_commit_mean_the_same_commit(self, lab: Lab) -> None:
        commit = lab.commit("first")
        lab.tag("v1.0.0", commit)
        for ref in ("v1.0.0", "main", commit, commit[:10], "latest"):
            found = await lab.ci.resolve(ref)
            assert (found.commit, found.version) == (commit, "v1.0.0")

    async def test_latest_is_the_highest_version_and_not_the_last_letter(self, lab: Lab) -> None:
        commit = lab.commit("first")
        lab.tag("v1.9.0", commit)
        newer = lab.commit("second")
        lab.tag("v1.10.0", newer)
        assert (await lab.ci.resolve("latest")).version == "v1.10.0"

    @pytest.mark.parametrize(
        "ref",
        [
            "v9",
            "0" * 40,
            "nowhere/at-all",
            "--upload-pack=id",
            "a..b",
            "x;id",
            "main@{1}",
            "-h",
            "",
            "a\nb",
            "$(id)",
        ],
    )
    async def test_what_does_not_exist_or_is_unsafe_is_refused_for_good(
        self, lab: Lab, ref: str
    ) -> None:
        lab.commit("first")
        with pytest.raises(IntegrationError) as refused:
            await lab.ci.resolve(ref)
        assert not refused.value.retry


class TestComparing:
    """What lies between two commits."""

    async def test_a_newer_commit_lists_what_it_adds_oldest_first(self, lab: Lab) -> None:
        base = lab.commit("first")
        lab.commit("second")
        head = lab.commit("third")
        changes = await lab.ci.compare(base, head)
        assert [each.subject for each in changes.commits] == ["second", "third"]
        assert (changes.total, changes.authors, changes.backwards) == (2, ("ana",), False)

    async def test_of_two_that_have_parted_each_lists_its_own_commits_alone(self, lab: Lab) -> None:
        parted = lab.commit("first")
        live = lab.commit("live")
        lab.branch("hotfix", parted)
        fix = lab.commit("fix")
        there, back = await lab.ci.compare(live, fix), await lab.ci.compare(fix, live)
        assert [each.subject for each in there.commits] == ["fix"]
        assert [each.subject for each in back.commits] == ["live"]
        assert (there.backwards, back.backwards) == (False, False)

    async def test_an_older_commit_lists_what_it_takes_away_and_says_so(self, lab: Lab) -> None:
        older = lab.commit("first")
        newer = lab.commit("second")
        changes = await lab.ci.compare(newer, older)
        assert [each.subject for each in changes.commits] == ["second"]
        assert changes.backwards

    async def test_on_a_line_of_its_own_only_what_head_adds_counts(self, lab: Lab) -> None:
        fork = lab.commit("first")
        base = lab.commit("second")
        lab.branch("hotfix", fork)
        head = lab.commit("the fix")
        changes = await lab.ci.compare(base, head)
        assert [each.subject for each in changes.commits] == ["the fix"]
        assert not changes.backwards

    async def test_the_files_that_differ_are_named_so_that_migrations_are_seen(
        self, lab: Lab
    ) -> None:
        base = lab.commit("first")
        assert (await lab.ci.compare(base, lab.commit("second"))).files

    async def test_a_commit_and_itself_differ_in_nothing(self, lab: Lab) -> None:
        commit = lab.commit("first")
        assert (await lab.ci.compare(commit, commit)).total == 0


class TestFacts:
    """Facts about a commit's tests."""

    @pytest.mark.parametrize(
        ("tests", "state"),
        [("true", QualityState.GREEN), ("exit 1", QualityState.RED), ("", QualityState.NONE)],
    )
    async def test_tests_are_green_red_or_none(
        self, lab: Lab, tests: str, state: QualityState
    ) -> None:
        commit = lab.commit("first", tests=tests)
        startable = (await lab.ci.quality(commit)).startable
        if startable:
            await lab.ci.start(StartRequest(startable, commit, "", "test"))
        seen = await tested(lab.ci, commit)
        assert seen.state is state
        assert seen.sentence


class TestTestingAgain:
    """Tests that are asked for again: they run again, or a sentence says why not."""

    async def test_tests_that_failed_run_again_or_it_is_said_who_can_run_them(
        self, lab: Lab
    ) -> None:
        commit = lab.commit("first", tests="sleep 0.5; exit 1")
        startable = (await lab.ci.quality(commit)).startable
        if startable:
            await lab.ci.start(StartRequest(startable, commit, "", "test"))
        assert (await tested(lab.ci, commit)).state is QualityState.RED
        again = await asked_again(lab.ci, commit)
        if isinstance(again, IntegrationError):
            assert (again.retry, bool(str(again))) == (False, True)
            return
        assert not again.state.is_final
        assert (await lab.ci.test_again(commit)).id == again.id, (
            "what is under way is left to go on"
        )
        assert (await lab.ci.quality(commit)).state is not QualityState.NONE

    async def test_a_run_of_ours_is_no_word_about_the_tests_while_it_goes_nor_when_it_has_failed(
        self, lab: Lab
    ) -> None:
        held, failing = (
            lab.commit("held", held=True, tests=""),
            lab.commit("failing", failing=0, tests=""),
        )
        run = await lab.ci.start(deploy(held))
        await holds(lab.ci, run)
        assert (await lab.ci.quality(held)).state is QualityState.NONE
        await lab.ci.cancel(run.id)
        await ends(lab.ci, run)
        assert (await lab.ci.quality(held)).state is QualityState.NONE
        await ends(lab.ci, await lab.ci.start(deploy(failing, "shop-2:deploy")))
        assert (await lab.ci.quality(failing)).state is QualityState.NONE

    async def test_where_nothing_tests_a_commit_nothing_is_started_and_that_is_said(
        self, lab: Lab
    ) -> None:
        commit = lab.commit("first", tests="")
        with pytest.raises(IntegrationError) as refused:
            await lab.ci.test_again(commit)
        assert not refused.value.retry
        assert (lab.started(), (await lab.ci.quality(commit)).state) == (0, QualityState.NONE)


class TestFreezes:
    """Freezes that are kept at the provider."""

    async def test_its_freezes_are_for_the_environment_and_have_aware_times(self, lab: Lab) -> None:
        now = datetime.now(UTC)
        for freeze in await lab.ci.freezes("production"):
            assert freeze.environment == "production"
            assert freeze.start <= now < freeze.end  # naive times cannot be compared
            assert freeze.reason


class TestRuns:
    """Runs from the start to the end."""

    async def test_a_run_goes_through_its_stages_and_succeeds(self, lab: Lab) -> None:
        run = await lab.ci.start(deploy(lab.commit("first")))
        assert not run.state.is_final
        done = await ends(lab.ci, run)
        assert [stage.state for stage in done.stages] == [RunState.SUCCEEDED] * 3
        assert (done.state, lab.started()) == (RunState.SUCCEEDED, 1)
        assert done.started_at
        assert done.finished_at
        assert done.finished_at >= done.started_at

    @pytest.mark.parametrize("failing", [0, 1, 2])
    async def test_a_stage_that_fails_ends_the_run_and_is_named(
        self, lab: Lab, failing: int
    ) -> None:
        done = await ends(lab.ci, await lab.ci.start(deploy(lab.commit("first", failing=failing))))
        assert [stage.state for stage in done.stages] == [
            *[RunState.SUCCEEDED] * failing, RunState.FAILED, *[RunState.SKIPPED] * (2 - failing),
        ]  # fmt: skip
        assert done.state is RunState.FAILED
        assert done.stages[failing].name in done.sentence

    async def test_two_starts_with_one_intent_are_one_run(self, lab: Lab) -> None:
        commit = lab.commit("first")
        one, two = await asyncio.gather(lab.ci.start(deploy(commit)), lab.ci.start(deploy(commit)))
        assert one.id == two.id
        await ends(lab.ci, one)
        again = await lab.ci.start(deploy(commit))
        assert (again.id, again.state, lab.started()) == (one.id, RunState.SUCCEEDED, 1)

    async def test_a_run_whose_answer_was_lost_is_found_by_its_correlation(self, lab: Lab) -> None:
        commit = lab.commit("first")
        assert await lab.ci.find("shop-1:deploy") is None
        run = await lab.ci.start(deploy(commit))
        found = await lab.ci.find("shop-1:deploy")
        assert found is not None
        assert found.id == run.id
        await ends(lab.ci, run)

    async def test_a_rerun_is_a_new_intent_for_the_same_commit(self, lab: Lab) -> None:
        commit = lab.commit("first")
        first = await ends(lab.ci, await lab.ci.start(deploy(commit)))
        second = await ends(lab.ci, await lab.ci.start(deploy(commit, "shop-2:deploy")))
        assert first.id != second.id
        assert lab.started() == 2

    async def test_a_rollback_is_a_start_with_an_older_commit(self, lab: Lab) -> None:
        good = lab.commit("good")
        lab.commit("bad")
        done = await ends(lab.ci, await lab.ci.start(deploy(good, action="rollback")))
        assert done.state is RunState.SUCCEEDED

    async def test_an_unknown_run_is_refused_for_good(self, lab: Lab) -> None:
        with pytest.raises(IntegrationError) as refused:
            await lab.ci.look("nowhere-1")
        assert (refused.value.status, refused.value.retry) == (404, False)


class TestGates:
    """A gate of the pipeline's own: opened for the environment that it stands before, and it
    is said what became of it.
    """

    async def test_a_run_that_waits_at_no_gate_has_none_that_could_be_opened(
        self, lab: Lab
    ) -> None:
        run = await lab.ci.start(deploy(lab.commit("first", held=True)))
        await holds(lab.ci, run)
        assert await lab.ci.open_gate(run.id, "production") is GateAnswer.NOT_THERE
        assert not (await lab.ci.look(run.id)).state.is_final

    async def test_where_there_is_a_gate_it_is_opened_once_and_for_its_environment_only(
        self, lab: Lab
    ) -> None:
        commit = lab.gated("first")
        if not commit:
            pytest.skip("this provider has no gates that could be opened from here")
        run = await lab.ci.start(deploy(commit))
        waits = await reaches(lab.ci, run, RunState.WAITING)
        assert [stage.state for stage in waits.stages if stage.passable] == [RunState.WAITING]
        assert await lab.ci.open_gate(run.id, "staging") is GateAnswer.NOT_THERE
        assert (await lab.ci.look(run.id)).state is RunState.WAITING
        assert await lab.ci.open_gate(run.id, "production") is GateAnswer.OPENED
        assert (await ends(lab.ci, run)).state is RunState.SUCCEEDED
        assert await lab.ci.open_gate(run.id, "production") is GateAnswer.WAS_OPEN

    async def test_an_unknown_run_has_no_gate(self, lab: Lab) -> None:
        with pytest.raises(IntegrationError) as refused:
            await lab.ci.open_gate("nowhere-1", "production")
        assert (refused.value.status, refused.value.retry) == (404, False)


class TestCancelling:
    """Runs that are stopped."""

    async def test_a_run_that_has_hardly_begun_is_cancelled(self, lab: Lab) -> None:
        run = await lab.ci.start(deploy(lab.commit("first", held=True)))
        await lab.ci.cancel(run.id)
        assert (await ends(lab.ci, run)).state is RunState.CANCELLED

    async def test_a_running_run_is_cancelled(self, lab: Lab) -> None:
        run = await lab.ci.start(deploy(lab.commit("first", held=True)))
        await holds(lab.ci, run)
        await lab.ci.cancel(run.id)
        done = await ends(lab.ci, run)
        assert (done.state, done.stages[-1].state) == (RunState.CANCELLED, RunState.CANCELLED)

    async def test_a_finished_run_is_left_as_it_is(self, lab: Lab) -> None:
        done = await ends(lab.ci, await lab.ci.start(deploy(lab.commit("first"))))
        await lab.ci.cancel(done.id)
        assert await lab.ci.look(done.id) == done
