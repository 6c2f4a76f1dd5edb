"""What every provider that speaks HTTP does when its vendor misbehaves.

A laboratory takes part by having what ``conftest.FaultyLab`` names and by standing among the
parameters of the fixture ``faulty``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, StartRequest
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.providers.ci.conftest import FaultyLab, SkewedLab

CORRELATION = "shop-1:canary-5"
ALWAYS = 50


def deploy(commit: str) -> StartRequest:
    return StartRequest(CORRELATION, commit, "production", "deploy", {"percent": "5"})


async def running(lab: FaultyLab) -> CIRun:
    return await lab.ci.start(deploy(lab.commit("first", held=True)))


async def refused_look(lab: FaultyLab, run: CIRun) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        await lab.ci.look(run.id)
    assert str(caught.value)
    return caught.value


async def start_until_known(lab: FaultyLab, request: StartRequest) -> CIRun:
    """Ask again as the engine does: as long as the provider says that asking again can help."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await lab.ci.start(request)
            except IntegrationError as error:
                if not error.retry:
                    raise
                await asyncio.sleep(0.02)


class TestLooking:
    @pytest.mark.parametrize("fault", ["401", "403", "404", "422"])
    async def test_a_clear_no_is_passed_on_with_its_status(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        run = await running(faulty)
        faulty.break_next(fault)
        error = await refused_look(faulty, run)
        assert (error.status, error.retry) == (int(fault), False)
        assert not (await faulty.ci.look(run.id)).state.is_final

    @pytest.mark.parametrize("fault", ["429", "500", "502", "503", "timeout", "truncated"])
    async def test_trouble_that_lasts_is_said_and_may_pass(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        run = await running(faulty)
        faulty.break_next(fault, times=ALWAYS)
        assert (await refused_look(faulty, run)).retry

    @pytest.mark.parametrize("fault", ["500", "502", "503", "timeout", "truncated", "lost"])
    async def test_trouble_that_passes_is_not_noticed(self, faulty: FaultyLab, fault: str) -> None:
        run = await running(faulty)
        faulty.break_next(fault)
        assert not (await faulty.ci.look(run.id)).state.is_final

    @pytest.mark.parametrize("fault", ["401", "429", "500", "timeout"])
    async def test_a_search_that_fails_finds_not_nothing(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        request = deploy(faulty.commit("first"))
        faulty.break_next("503", path=faulty.start_path)
        with suppress(IntegrationError):
            await faulty.ci.start(request)  # what was never sent need not be searched for
        faulty.break_next(fault, times=ALWAYS)
        with pytest.raises(IntegrationError):
            await faulty.ci.find(CORRELATION)


class TestStarting:
    @pytest.mark.parametrize("fault", ["401", "403", "404", "409", "422"])
    async def test_a_refused_start_has_started_nothing_and_can_be_made_again(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        request = deploy(faulty.commit("first"))
        faulty.break_next(fault, path=faulty.start_path)
        with pytest.raises(IntegrationError) as caught:
            await faulty.ci.start(request)
        assert (caught.value.status, faulty.started()) == (int(fault), 0)
        await faulty.ci.start(request)
        assert faulty.started() == 1

    async def test_a_start_that_comes_too_often_may_be_made_later(self, faulty: FaultyLab) -> None:
        request = deploy(faulty.commit("first"))
        faulty.break_next("429", path=faulty.start_path)
        with pytest.raises(IntegrationError) as caught:
            await faulty.ci.start(request)
        assert (caught.value.retry, faulty.started()) == (True, 0)

    @pytest.mark.parametrize("fault", ["lost", "truncated"])
    async def test_a_lost_answer_leads_to_the_one_run_that_was_started(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        request = deploy(faulty.commit("first", held=True))
        faulty.break_next(fault, path=faulty.start_path)
        run = await start_until_known(faulty, request)
        found = await faulty.ci.find(CORRELATION)
        again = await faulty.ci.start(request)
        assert found is not None
        assert (found.id, again.id, faulty.started()) == (run.id, run.id, 1)

    @pytest.mark.parametrize("fault", ["500", "502", "503", "timeout"])
    async def test_an_unclear_answer_never_leads_to_two_runs(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        request = deploy(faulty.commit("first", held=True))
        faulty.break_next(fault, path=faulty.start_path)
        for _ in range(3):
            try:
                await faulty.ci.start(request)
            except IntegrationError as error:
                if not error.retry:
                    raise
        assert faulty.started() <= 1

    async def test_two_runs_with_one_name_are_told_and_not_guessed_between(
        self, faulty: FaultyLab
    ) -> None:
        request = deploy(faulty.commit("first", held=True))
        ours = await faulty.ci.start(request)
        faulty.twin(CORRELATION)
        before = faulty.started()
        asked = await asyncio.gather(
            faulty.ci.find(CORRELATION), faulty.ci.start(request), return_exceptions=True
        )
        for found in asked:
            if isinstance(found, CIRun):  # the vendor itself named ours
                assert found.id == ours.id
                continue
            assert isinstance(found, IntegrationError)
            assert CORRELATION in str(found)
        assert faulty.started() == before


class TestRestored:
    @pytest.mark.case("races-19")
    async def test_a_database_from_before_a_start_still_finds_the_run_and_starts_nothing_again(
        self, faulty: FaultyLab
    ) -> None:
        request = deploy(faulty.commit("first", held=True))
        run = await faulty.ci.start(request)
        restored = faulty.restored()
        found = await restored.find(CORRELATION)
        again = await restored.start(request)
        assert found is not None
        assert (found.id, again.id, faulty.started()) == (run.id, run.id, 1)

    @pytest.mark.case("races-19")
    async def test_what_was_never_started_is_not_there_for_a_restored_database_either(
        self, faulty: FaultyLab
    ) -> None:
        faulty.commit("first")
        assert await faulty.restored().find(CORRELATION) is None


class TestStopping:
    @pytest.mark.parametrize("fault", ["500", "503", "timeout", "lost", "truncated"])
    async def test_trouble_on_the_way_stops_the_run_all_the_same(
        self, faulty: FaultyLab, fault: str
    ) -> None:
        run = await running(faulty)
        faulty.break_next(fault)
        try:
            await faulty.ci.cancel(run.id)
        except IntegrationError as error:
            if not error.retry:
                raise
            await faulty.ci.cancel(run.id)
        async with asyncio.timeout(PATIENCE):
            while (seen := await faulty.ci.look(run.id)).state is not RunState.CANCELLED:  # noqa: ASYNC110 - a run is polled
                await asyncio.sleep(0.02)
        assert seen.sentence


class TestNotices:
    async def test_a_signed_notice_names_its_run(self, faulty: FaultyLab) -> None:
        run = await running(faulty)
        headers, body = faulty.notice(run.id)
        assert faulty.ci.parse_webhook(headers, body).run == run.id

    @pytest.mark.parametrize("spoilt", ["body", "signature", "nothing"])
    async def test_a_notice_that_is_not_authentic_is_refused(
        self, faulty: FaultyLab, spoilt: str
    ) -> None:
        run = await running(faulty)
        headers, body = faulty.notice(run.id)
        if spoilt == "body":
            body += b" "
        if spoilt == "signature":
            headers = {
                name: value[:-1] + ("0" if value[-1] != "0" else "1")
                for name, value in headers.items()
            }
        if spoilt == "nothing":
            headers = {}
        with pytest.raises(IntegrationError) as caught:
            faulty.ci.parse_webhook(headers, body)
        assert (caught.value.status, caught.value.retry) == (401, False)


class TestTheVendorsClock:
    @pytest.mark.parametrize("hours", [-1, 1])
    async def test_a_clock_that_is_an_hour_off_changes_nothing(
        self, skewed: SkewedLab, hours: int
    ) -> None:
        skewed.skew(timedelta(hours=hours))
        request = deploy(skewed.commit("first"))
        assert await skewed.ci.find(CORRELATION) is None
        skewed.break_next("lost", path=skewed.start_path)
        run = await start_until_known(skewed, request)
        async with asyncio.timeout(PATIENCE):
            while not run.state.is_final:  # a run is polled
                run = await skewed.ci.look(run.id)
        assert (run.state, skewed.started()) == (RunState.SUCCEEDED, 1)
        assert run.started_at
        assert run.finished_at
        assert run.finished_at >= run.started_at
