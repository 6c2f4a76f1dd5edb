"""What Buildbot promises beyond the contract, against a real master and worker under the
master.cfg that we ship.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, RunHint, StartRequest
from bot.providers.ci.buildbot.kind import PASSWORD, USER
from bot.providers.ci.buildbot.provider import BuildbotCI
from tests.patience import PATIENCE
from tests.providers.ci.buildbot_server import TEMPLATE

if TYPE_CHECKING:
    from tests.providers.ci.buildbot_fake import FakeMaster
    from tests.providers.ci.buildbot_lab import BuildbotLab
    from tests.providers.ci.buildbot_server import Server

CORRELATION = "shop-7:canary-25"
INPUTS = {"percent": "25", "version": "v1.2.0", "strategy": "canary", "deployment": "shop-7"}


def asked(
    commit: str,
    *,
    action: str = "deploy",
    environment: str = "production",
    correlation: str = CORRELATION,
) -> StartRequest:
    return StartRequest(correlation, commit, environment, action, INPUTS, asked_by="T1/U1")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


async def reaches(ci: BuildbotCI, run: CIRun, holds: Callable[[CIRun], bool]) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while not holds(seen := await ci.look(run.id)):  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.05)
    return seen


async def ended(ci: BuildbotCI, run: CIRun) -> CIRun:
    return await reaches(ci, run, lambda seen: seen.state.is_final)


async def held(lab: BuildbotLab[Server]) -> CIRun:
    run = await lab.ci.start(asked(lab.commit("held", held=True, tests="")))
    return await reaches(lab.ci, run, lambda seen: seen.stages[-1].state is RunState.RUNNING)


async def refused(
    lab: BuildbotLab[Server], ci: BuildbotCI, request: StartRequest | None = None
) -> IntegrationError:
    request = request or asked(lab.commit("first", tests=""))
    with pytest.raises(IntegrationError) as caught:
        await ci.start(request)
    assert not caught.value.retry
    return caught.value


# The template -----------------------------------------------------------------------------------


async def test_the_configuration_that_we_ship_is_good_once_it_has_passwords(
    buildbot: BuildbotLab[Server],
) -> None:
    master = buildbot.folder / "master"
    shutil.copytree(TEMPLATE, master)
    assert "must hold a password each" in buildbot.server.check(master)
    (master / "secrets").mkdir()
    for name in ("password", "worker", "webhook"):
        (master / "secrets" / name).write_text("a-word")
    assert "Config file is good" in buildbot.server.check(master)


# What travels -----------------------------------------------------------------------------------


async def test_all_that_a_deployment_is_told_reaches_its_script(
    buildbot: BuildbotLab[Server],
) -> None:
    commit = buildbot.commit("first", tests="")
    done = await ended(buildbot.ci, await buildbot.ci.start(asked(commit)))
    seen = dict(
        line.partition("=")[::2]
        for line in (buildbot.folder / "env-build").read_text().splitlines()
    )
    assert {name: seen[name] for name in seen if name.startswith("GONOGO_")} == {
        "GONOGO_ACTION": "deploy", "GONOGO_ENVIRONMENT": "production",
        "GONOGO_COMMIT": commit, "GONOGO_CORRELATION": CORRELATION,
        "GONOGO_PERCENT": "25", "GONOGO_VERSION": "v1.2.0",
        "GONOGO_STRATEGY": "canary", "GONOGO_DEPLOYMENT": "shop-7",
    }  # fmt: skip
    assert (done.state, buildbot.worked()) == (RunState.SUCCEEDED, 1)
    assert done.url.startswith(f"{buildbot.url}/#/builders/")


async def test_no_log_shows_the_workers_environment(buildbot: BuildbotLab[Server]) -> None:
    run = await ended(
        buildbot.ci, await buildbot.ci.start(asked(buildbot.commit("first", tests="")))
    )
    logs = buildbot.server.logs(int(run.id.rpartition("/")[2]))
    assert len(logs) > 3
    assert not [log for log in logs if "environment:" in log or "PATH=" in log]


@pytest.mark.parametrize(("action", "stages"), [("smoke", ["smoke"]), ("rollback", ["release"])])
async def test_each_action_has_stages_of_its_own(
    buildbot: BuildbotLab[Server], action: str, stages: list[str]
) -> None:
    done = await ended(
        buildbot.ci,
        await buildbot.ci.start(asked(buildbot.commit("first", tests=""), action=action)),
    )
    assert [(stage.name, stage.state) for stage in done.stages] == [
        (name, RunState.SUCCEEDED) for name in stages
    ]
    assert (done.state, buildbot.worked()) == (RunState.SUCCEEDED, 0)


async def test_a_commit_on_a_branch_of_its_own_is_deployed_and_no_other(
    buildbot: BuildbotLab[Server],
) -> None:
    fork = buildbot.commit("first", tests="")
    buildbot.commit("second", failing=0, tests="")
    buildbot.branch("hotfix", fork)
    fix = buildbot.commit("the fix", tests="")
    buildbot.git("checkout", "--quiet", "main")
    done = await ended(buildbot.ci, await buildbot.ci.start(asked(fix)))
    assert (done.state, done.sentence) == (RunState.SUCCEEDED, "")


async def test_a_commit_that_the_worker_cannot_get_fails_at_its_checkout(
    buildbot: BuildbotLab[Server],
) -> None:
    buildbot.commit("first", tests="")
    done = await ended(buildbot.ci, await buildbot.ci.start(asked("1" * 40)))
    assert [stage.state for stage in done.stages] == [RunState.FAILED, *[RunState.SKIPPED] * 3]
    assert (done.state, done.sentence.partition(":")[0]) == (RunState.FAILED, "checkout failed")


# What is refused --------------------------------------------------------------------------------


async def test_an_environment_that_buildbot_does_not_know_is_refused_with_its_words(
    buildbot: BuildbotLab[Server],
) -> None:
    error = await refused(
        buildbot, buildbot.ci, asked(buildbot.commit("first", tests=""), environment="moon")
    )
    assert (error.status, "'moon' does not belong" in str(error), buildbot.started()) == (
        400,
        True,
        0,
    )


async def test_an_action_without_stages_is_refused_before_anything_starts(
    buildbot: BuildbotLab[Server],
) -> None:
    error = await refused(
        buildbot, buildbot.ci, asked(buildbot.commit("first", tests=""), action="promote")
    )
    assert ("names no steps for promote" in str(error), buildbot.started()) == (True, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scheduler": "bare"}, "does not take correlation_id, action"),
        ({"scheduler": "deploy-cellar"}, "does not start the builder deploy-shop"),
        ({"scheduler": "nothing-like-it"}, "has no force scheduler nothing-like-it"),
        ({"builder": "nothing-like-it"}, "has no builder nothing-like-it"),
    ],
)
async def test_a_scheduler_that_would_drop_what_it_is_told_starts_nothing(
    buildbot: BuildbotLab[Server], options: dict[str, str], sentence: str
) -> None:
    assert sentence in str(await refused(buildbot, buildbot.provider(options=options)))
    assert buildbot.started() == 0


@pytest.mark.parametrize(
    ("scheduler", "sentence"),
    [("forgetful", "does not keep our reason"), ("stubborn", "for the commit")],
)
async def test_a_run_that_is_not_what_was_asked_for_is_stopped_at_once(
    buildbot: BuildbotLab[Server], scheduler: str, sentence: str
) -> None:
    ci = buildbot.provider(options={"scheduler": scheduler})
    error = await refused(buildbot, ci, asked(buildbot.commit("first", held=True, tests="")))
    await ci.close()
    assert sentence in str(error)
    assert buildbot.server.open_requests() == []


async def test_only_who_may_deploy_starts_and_stops(buildbot: BuildbotLab[Server]) -> None:
    run = await held(buildbot)
    anonymous = buildbot.provider(secrets={USER: "", PASSWORD: ""})
    for attempt in (
        anonymous.start(asked("1" * 40, correlation="other")),
        anonymous.cancel(run.id),
    ):
        with pytest.raises(IntegrationError) as caught:
            await attempt
        assert (caught.value.status, caught.value.retry) == (403, False)
    await anonymous.close()


async def test_a_wrong_password_is_said_and_not_shown(buildbot: BuildbotLab[Server]) -> None:
    error = await refused(buildbot, buildbot.provider(secrets={PASSWORD: "wrong-word"}))
    assert (error.status, str(error)) == (
        401,
        "Buildbot does not accept the account gonogo with its password.",
    )


async def test_a_session_that_has_run_out_is_renewed(buildbot: BuildbotLab[Server]) -> None:
    await buildbot.ci.find(CORRELATION)
    buildbot.ci._client._cookie = "TWISTED_SESSION=of-last-week"
    run = await buildbot.ci.start(asked(buildbot.commit("first", tests="")))
    assert (await ended(buildbot.ci, run)).state is RunState.SUCCEEDED
    assert [each for each in buildbot.line.asked if "login" in each] == ["GET /auth/login"] * 2


# Answers that are lost --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "truncated"])
async def test_a_start_whose_answer_is_lost_is_found_and_not_repeated(
    buildbot: BuildbotLab[Server], fault: str
) -> None:
    buildbot.break_next(fault, path=buildbot.start_path)
    run = await buildbot.ci.start(asked(buildbot.commit("first", tests="")))
    assert (await ended(buildbot.ci, run)).state is RunState.SUCCEEDED
    assert buildbot.started() == 1


@pytest.mark.parametrize("fault", ["timeout", "500", "502"])
async def test_a_start_that_may_have_begun_is_left_open_for_a_while_and_then_made(
    buildbot: BuildbotLab[Server], fault: str
) -> None:
    request = asked(buildbot.commit("first", tests=""))
    buildbot.break_next(fault, path=buildbot.start_path)
    for attempt in (buildbot.ci.start(request), buildbot.ci.find(CORRELATION)):
        with pytest.raises(IntegrationError, match="looking again before anything else") as caught:
            await attempt
        assert caught.value.retry
    restarted = buildbot.provider()
    with pytest.raises(IntegrationError, match="looking again before anything else"):
        await restarted.start(request)
    later = buildbot.provider(settles=timedelta(0))
    assert await later.find(CORRELATION) is None
    await later.start(request)
    assert buildbot.started() == 1


async def test_two_runs_with_one_correlation_are_named_and_neither_is_chosen(
    buildbot: BuildbotLab[Server],
) -> None:
    run = await held(buildbot)
    buildbot.twin(CORRELATION)
    for attempt in (buildbot.ci.find(CORRELATION), buildbot.ci.start(asked("1" * 40))):
        with pytest.raises(
            IntegrationError, match=f"{CORRELATION} .#{run.id.rpartition('/')[2]} and #"
        ) as caught:
            await attempt
        assert not caught.value.retry
    assert buildbot.started() == 2


async def test_a_correlation_that_is_part_of_another_is_another(
    buildbot: BuildbotLab[Server],
) -> None:
    await buildbot.ci.start(
        asked(buildbot.commit("first", tests=""), correlation="shop-71:canary-25")
    )
    await buildbot.ci.start(
        asked(buildbot.git("rev-parse", "HEAD"), correlation="shop-7:canary-25:smoke")
    )
    for other in (CORRELATION, "shop_7:canary-25", "%"):
        assert await buildbot.ci.find(other) is None


# Runs that take another way ---------------------------------------------------------------------


async def test_a_run_in_the_queue_says_what_it_waits_for_and_can_be_stopped_there(
    buildbot: BuildbotLab[Server],
) -> None:
    await held(buildbot)
    second = await buildbot.ci.start(
        asked(buildbot.commit("second", tests=""), correlation="shop-8:all", environment="staging")
    )
    assert (second.state, second.sentence) == (RunState.QUEUED, "waits for a free worker")
    await buildbot.ci.cancel(second.id)
    done = await buildbot.ci.look(second.id)
    assert (done.state, done.sentence) == (RunState.CANCELLED, "stopped before it began")
    assert [stage.state for stage in done.stages] == [RunState.SKIPPED] * 3


async def test_a_rebuild_by_hand_is_not_taken_for_our_run(buildbot: BuildbotLab[Server]) -> None:
    run = await ended(
        buildbot.ci, await buildbot.ci.start(asked(buildbot.commit("first", tests="")))
    )
    buildbot.server.rebuild(int(run.id.rpartition("/")[2]))
    found = await buildbot.ci.find(CORRELATION)
    assert (found and found.id, buildbot.started()) == (run.id, 2)


async def test_a_worker_that_dies_puts_the_run_back_into_the_queue_and_it_runs_again(
    buildbot: BuildbotLab[Server],
) -> None:
    run = await held(buildbot)
    buildbot.server.kill_worker()
    try:
        waiting = await reaches(buildbot.ci, run, lambda seen: seen.state is RunState.QUEUED)
        assert waiting.sentence == "its worker was lost; Buildbot starts it again"
        other = await buildbot.ci.start(
            asked(buildbot.commit("second", tests=""), correlation="shop-8:all")
        )
        assert other.sentence == "no worker of deploy-shop is connected; start one"
    finally:
        buildbot.server.start_worker()
    again = await reaches(buildbot.ci, run, lambda seen: seen.state is RunState.RUNNING)
    assert (again.id, buildbot.started()) == (run.id, 2)


async def test_a_bot_that_is_started_again_finds_its_run(buildbot: BuildbotLab[Server]) -> None:
    run = await held(buildbot)
    successor = buildbot.provider()
    found = await successor.find(CORRELATION)
    await successor.close()
    assert (found and found.id, found and found.state) == (run.id, RunState.RUNNING)


async def test_there_is_no_gate_to_open(buildbot: BuildbotLab[Server]) -> None:
    run = await held(buildbot)
    await buildbot.ci.open_gate(run.id, "production")
    assert await buildbot.ci.look(run.id) == run


async def test_a_run_of_another_builder_is_not_ours(buildbot: BuildbotLab[Server]) -> None:
    commit = buildbot.commit("first")
    await until(lambda: buildbot.server.newest("test-shop") > 0)
    number = buildbot.server.newest("test-shop")
    for name in (
        f"deploy-shop/{number}",
        f"test-shop/{number}",
        "deploy-shop/0",
        "deploy-shop/1/../2",
    ):
        with pytest.raises(IntegrationError) as caught:
            await buildbot.ci.look(name)
        assert (caught.value.status, caught.value.retry) == (404, False)
    assert commit


# Tests ------------------------------------------------------------------------------------------


async def test_the_newest_run_of_the_tests_decides(buildbot: BuildbotLab[Server]) -> None:
    flag = buildbot.folder / "mended"
    commit = buildbot.commit("first", tests=f"test -e '{flag}'")
    assert await said(buildbot, commit) is QualityState.RED
    flag.touch()
    buildbot.server.force("test-shop", revision=commit)
    assert await said(buildbot, commit) is QualityState.GREEN


@pytest.mark.case("ci-and-refs-7")
async def test_the_tests_of_a_commit_are_built_again_and_the_rebuild_decides(
    buildbot_fake: BuildbotLab[FakeMaster],
) -> None:
    flag = buildbot_fake.folder / "mended"
    commit = buildbot_fake.commit("first", tests=f"test -e '{flag}'")
    async with asyncio.timeout(PATIENCE):
        while (await buildbot_fake.ci.quality(commit)).state is not QualityState.RED:  # noqa: ASYNC110 - another process tests
            await asyncio.sleep(0.05)
        flag.touch()
        assert (await buildbot_fake.ci.test_again(commit)).state is RunState.QUEUED
        while (await buildbot_fake.ci.quality(commit)).state is not QualityState.GREEN:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(IntegrationError, match="could be repeated") as refused:
        await buildbot_fake.ci.test_again("0" * 40)
    assert not refused.value.retry


async def said(lab: BuildbotLab[Server], commit: str) -> QualityState:
    async with asyncio.timeout(PATIENCE):
        while (seen := await lab.ci.quality(commit)).state is QualityState.RUNNING:  # noqa: ASYNC110 - another process tests
            await asyncio.sleep(0.05)
    assert seen.url
    return seen.state


async def test_without_a_builder_for_tests_nothing_is_green(buildbot: BuildbotLab[Server]) -> None:
    seen = await buildbot.provider(options={"tests": None}).quality(buildbot.commit("first"))
    assert (seen.state, "set the option tests" in seen.sentence) == (QualityState.NONE, True)


# Events and notices -----------------------------------------------------------------------------


async def test_events_wake_while_a_run_is_under_way_and_not_longer(
    buildbot: BuildbotLab[Server],
) -> None:
    assert buildbot.line.streams == 0
    run = await buildbot.ci.start(asked(buildbot.commit("first", tests="")))
    await until(lambda: run.id in buildbot.woken)
    await ended(buildbot.ci, run)
    await until(lambda: buildbot.line.streams == 0)
    assert set(buildbot.woken) == {run.id}


async def test_events_that_break_off_are_listened_to_again_and_cost_only_speed(
    buildbot: BuildbotLab[Server],
) -> None:
    run = await held(buildbot)
    await until(lambda: buildbot.line.streams == 1)
    buildbot.break_next("503", path="/sse/", times=2)
    buildbot.line.cut()
    await until(lambda: buildbot.line.asked.count("GET /sse/listen/builds/*/*") >= 4)
    await until(lambda: buildbot.line.streams == 1)
    buildbot.woken.clear()
    await buildbot.ci.cancel(run.id)
    await until(lambda: run.id in buildbot.woken)


async def test_closing_ends_the_listening_and_leaves_the_run_alone(
    buildbot: BuildbotLab[Server],
) -> None:
    run = await held(buildbot)
    await until(lambda: buildbot.line.streams == 1)
    await buildbot.ci.close()
    await buildbot.ci.look(run.id)
    await until(lambda: buildbot.line.streams == 0)
    assert len(buildbot.server.open_requests()) == 1


@asynccontextmanager
async def receiver(lab: BuildbotLab[Server]) -> AsyncIterator[list[tuple[RunHint, bytes]]]:
    got: list[tuple[RunHint, bytes]] = []

    async def notice(request: web.Request) -> web.Response:
        body = await request.read()
        got.append((lab.ci.parse_webhook(request.headers, body), body))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/webhooks/ci/buildbot", notice)
    server = TestServer(app, port=lab.server.webhook_port, shutdown_timeout=0.1)
    await server.start_server()
    try:
        yield got
    finally:
        await server.close()


def of(got: list[tuple[RunHint, bytes]], run: CIRun) -> list[tuple[RunHint, bytes]]:
    """Pick the notices of one run: the master may still tell of one that an
    earlier test has stopped.
    """
    return [(hint, body) for hint, body in got if hint.run == run.id]


async def test_the_reporter_of_our_master_tells_of_the_beginning_and_of_the_end_of_a_stopped_run_too(
    buildbot: BuildbotLab[Server],
) -> None:
    async with receiver(buildbot) as got:
        run = await held(buildbot)
        await buildbot.ci.cancel(run.id)
        await until(lambda: len(of(got, run)) >= 2)
    hints, bodies = zip(*of(got, run), strict=True)
    assert {hint.correlation for hint in hints} == {CORRELATION}
    assert len({hint.delivery for hint in hints}) == len(hints)
    assert b'"complete": false' in bodies[0]
    assert b'"complete": true' in bodies[-1]
