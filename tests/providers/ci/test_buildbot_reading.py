"""Buildbot's words, read without any Buildbot: the shapes were taken from a real master 4.3."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, RunHint, RunStore, StartStore
from bot.ports.time import Clock
from bot.providers.ci.buildbot import webhook
from bot.providers.ci.buildbot.events import request_in, requests_in
from bot.providers.ci.buildbot.kind import GIT_TOKEN, KIND, PASSWORD, USER, build
from bot.providers.ci.buildbot.provider import BuildbotCI
from bot.providers.ci.buildbot.reading import NEEDED, Scheduler, quality_of, run_of, when
from bot.providers.ci.buildbot.tests import is_of
from bot.providers.context import ProviderContext
from bot.providers.rate_limits import RateLimits

COMMIT, OTHER = "a" * 40, "b" * 40
BEGAN, ENDED = 1795248854, 1795248880
PLAN = {"deploy": ["build", "migrate", "release"], "smoke": ["smoke"]}
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED = range(7)


def properties(**values: Any) -> dict[str, list[Any]]:
    return {name: [value, "Force Build Form"] for name, value in values.items()}


def request(*, complete: bool = False, results: int = -1, plan: Any = PLAN) -> dict[str, Any]:
    given = {"action": "deploy", "commit": COMMIT, **({"gonogo_stages": plan} if plan else {})}
    ended = ENDED if complete else None
    return {
        "complete": complete,
        "results": results,
        "submitted_at": BEGAN,
        "complete_at": ended,
        "properties": properties(**given),
    }


def built(
    results: int | None = None, *, said: str = "building", got: Any = COMMIT
) -> dict[str, Any]:
    return {
        "started_at": BEGAN, "complete": results is not None,
        "complete_at": None if results is None else ENDED, "results": results,
        "state_string": said, "properties": properties(got_revision=got) if got else {},
    }  # fmt: skip


def step(
    name: str,
    results: int | None = None,
    *,
    hidden: bool = False,
    said: str = "",
    started: bool = True,
) -> dict[str, Any]:
    return {
        "name": name, "started_at": BEGAN if started else None,
        "complete": results is not None, "hidden": hidden,
        "complete_at": None if results is None else ENDED, "results": results, "state_string": said,
    }  # fmt: skip


def states(run: CIRun) -> dict[str, RunState]:
    return {stage.name: stage.state for stage in run.stages}


class TestRunsWithoutABuild:
    def test_a_request_waits_with_its_plan(self) -> None:
        run = run_of("deploy-shop/1", request(), None, [])
        assert (run.state, set(states(run).values())) == (RunState.QUEUED, {RunState.QUEUED})
        assert (run.started_at, run.finished_at) == (when(BEGAN), None)

    @pytest.mark.parametrize(
        ("results", "state", "word"),
        [
            (CANCELLED, RunState.CANCELLED, "before it began"),
            (SKIPPED, RunState.CANCELLED, "collapseRequests=False"),
            (EXCEPTION, RunState.LOST, "without a build"),
        ],
    )
    def test_a_request_that_is_closed_without_a_build_says_why(
        self, results: int, state: RunState, word: str
    ) -> None:
        run = run_of("deploy-shop/1", request(complete=True, results=results), None, [])
        assert (run.state, word in run.sentence, run.finished_at) == (state, True, when(ENDED))
        assert set(states(run).values()) == {RunState.SKIPPED}

    def test_a_build_whose_worker_was_lost_is_no_end(self) -> None:
        run = run_of(
            "deploy-shop/1",
            request(),
            built(RETRY, said="retry lost connection"),
            [step("build", RETRY)],
        )
        assert (run.state, "worker was lost" in run.sentence) == (RunState.QUEUED, True)

    def test_without_a_plan_there_are_no_stages_yet(self) -> None:
        assert run_of("deploy-shop/1", request(plan=None), None, []).stages == ()


class TestBuilds:
    def test_a_build_under_way_shows_what_is_done_and_what_is_still_to_come(self) -> None:
        steps = [
            step("worker_preparation", SUCCESS),
            step("checkout", SUCCESS, hidden=True),
            step("build", SUCCESS),
            step("migrate"),
        ]
        run = run_of("deploy-shop/1", request(), built(), steps)
        assert states(run) == {
            "build": RunState.SUCCEEDED,
            "migrate": RunState.RUNNING,
            "release": RunState.QUEUED,
        }
        assert (run.state, run.sentence) == (RunState.RUNNING, "")

    def test_a_build_that_waits_for_a_lock_says_so(self) -> None:
        run = run_of(
            "deploy-shop/1",
            request(),
            built(said="acquiring locks"),
            [step("worker_preparation", SUCCESS), step("locks_acquire")],
        )
        assert (run.state, "lock" in run.sentence) == (RunState.RUNNING, True)
        assert set(states(run).values()) == {RunState.QUEUED}

    @pytest.mark.parametrize(
        ("results", "state"),
        [
            (SUCCESS, RunState.SUCCEEDED),
            (WARNINGS, RunState.SUCCEEDED), (FAILURE, RunState.FAILED),
            (EXCEPTION, RunState.FAILED), (CANCELLED, RunState.CANCELLED), (99, RunState.FAILED),
        ],
    )  # fmt: skip
    def test_each_result_has_its_state(self, results: int, state: RunState) -> None:
        run = run_of(
            "deploy-shop/1", request(), built(results, said="done"), [step("build", SUCCESS)]
        )
        assert run.state is state
        assert (run.started_at, run.finished_at) == (when(BEGAN), when(ENDED))
        assert bool(run.sentence) is (state is not RunState.SUCCEEDED)

    def test_a_step_that_failed_is_named_and_the_rest_is_skipped(self) -> None:
        steps = [
            step("build", SUCCESS),
            step("migrate", FAILURE, said="'./deploy.sh migrate' (failure)"),
        ]
        run = run_of(
            "deploy-shop/1", request(complete=True, results=FAILURE), built(FAILURE), steps
        )
        assert list(states(run).values()) == [RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED]
        assert run.sentence == "migrate failed: './deploy.sh migrate' (failure)"

    def test_a_failure_outside_the_plan_is_shown_before_it(self) -> None:
        run = run_of(
            "deploy-shop/1", request(), built(FAILURE), [step("checkout", FAILURE, said="exit 128")]
        )
        assert list(states(run)) == ["checkout", "build", "migrate", "release"]
        assert run.sentence == "checkout failed: exit 128"

    def test_a_stopped_build_stops_its_step_even_when_buildbot_left_it_open(self) -> None:
        steps = [step("build", SUCCESS), step("migrate"), step("release", started=False)]
        run = run_of(
            "deploy-shop/1",
            request(),
            built(CANCELLED, said="cancelled (stopped by Go/No-Go)"),
            steps,
        )
        assert list(states(run).values()) == [
            RunState.SUCCEEDED,
            RunState.CANCELLED,
            RunState.SKIPPED,
        ]
        assert run.sentence == "Buildbot: cancelled (stopped by Go/No-Go)"

    def test_success_at_another_commit_is_no_success(self) -> None:
        run = run_of(
            "deploy-shop/1", request(), built(SUCCESS, got=OTHER), [step("build", SUCCESS)]
        )
        assert (run.state, run.sentence) == (
            RunState.FAILED,
            "Buildbot worked on bbbbbbbbbb and not on aaaaaaaaaa",
        )

    def test_without_a_plan_the_visible_steps_are_the_stages(self) -> None:
        steps = [
            step("worker_preparation", SUCCESS), step("git", SUCCESS, hidden=True),
            step("go", SUCCESS), step("tell", started=False),
            step("clean", EXCEPTION, hidden=True),
        ]  # fmt: skip
        run = run_of("deploy-shop/1", request(plan=None), built(), steps)
        assert states(run) == {
            "go": RunState.SUCCEEDED,
            "tell": RunState.QUEUED,
            "clean": RunState.FAILED,
        }


class TestSchedulers:
    def fields(self, *names: str, revision: str = "text") -> list[dict[str, Any]]:
        named = [{"name": name, "fullName": name, "type": "text"} for name in names]
        return [
            {"fields": [{"name": "revision", "fullName": "shop_revision", "type": revision}]},
            *named,
        ]

    def scheduler(self, fields: list[dict[str, Any]], **others: Any) -> Scheduler:
        return Scheduler.of(
            {"all_fields": fields, "builder_names": ["deploy-shop"], "enabled": True, **others}
        )

    def test_a_complete_one_is_right_and_knows_the_full_name_of_the_revision(self) -> None:
        found = self.scheduler(self.fields(*NEEDED))
        assert (found.wrong("deploy-shop"), found.revision, found.plan("deploy")) == (
            "",
            "shop_revision",
            None,
        )

    @pytest.mark.parametrize(
        ("fields", "others", "word"),
        [
            (NEEDED[1:], {}, "correlation_id"),
            (NEEDED, {"builder_names": ["other"]}, "deploy-shop"),
            (NEEDED, {"enabled": False}, "switched off"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, fields: tuple[str, ...], others: dict[str, Any], word: str
    ) -> None:
        assert word in self.scheduler(self.fields(*fields), **others).wrong("deploy-shop")

    def test_a_commit_that_cannot_be_chosen_is_wrong(self) -> None:
        assert "revision" in self.scheduler(self.fields(*NEEDED, revision="fixed")).wrong(
            "deploy-shop"
        )
        second = {"name": "revision", "fullName": "assets_revision", "type": "text"}
        assert "revision" in self.scheduler([*self.fields(*NEEDED), second]).wrong("deploy-shop")

    def test_a_field_that_is_fixed_takes_nothing(self) -> None:
        fields = self.fields(*NEEDED)
        fields[-1]["type"] = "fixed"
        assert self.scheduler(fields).wrong("deploy-shop") == f"it does not take {NEEDED[-1]}"

    def test_the_plan_is_read_action_by_action(self) -> None:
        found = self.scheduler(
            [
                *self.fields(*NEEDED),
                {"name": "gonogo_stages", "fullName": "gonogo_stages", "default": PLAN},
            ]
        )
        assert (found.plan("smoke"), found.plan("promote")) == (("smoke",), ())


class TestQuality:
    @pytest.mark.parametrize(
        ("results", "state"),
        [
            (None, QualityState.RUNNING), (RETRY, QualityState.RUNNING),
            (SUCCESS, QualityState.GREEN), (WARNINGS, QualityState.GREEN),
            (FAILURE, QualityState.RED), (EXCEPTION, QualityState.RED),
            (CANCELLED, QualityState.NONE), (SKIPPED, QualityState.NONE),
        ],
    )  # fmt: skip
    def test_each_result_has_its_answer(self, results: int | None, state: QualityState) -> None:
        found = quality_of("test-shop", built(results), "http://ci.example.com")
        assert (found.state, found.url) == (state, "http://ci.example.com")
        assert "test-shop" in found.sentence

    def test_a_build_is_of_the_commit_that_it_got(self) -> None:
        asked = {"properties": {**properties(revision=COMMIT)}}
        assert is_of(asked, COMMIT)
        assert is_of(
            {"properties": properties(got_revision={"shop": COMMIT}, revision=OTHER)}, COMMIT
        )
        assert not is_of({"properties": properties(got_revision=OTHER, revision=COMMIT)}, COMMIT)


class TestNotices:
    body = json.dumps(
        {
            "builder": "deploy-shop",
            "buildrequestid": 7,
            "complete": True,
            "correlation_id": "shop-1:all",
        }
    ).encode()

    def read(
        self,
        body: bytes = body,
        *,
        at: datetime = NOW,
        secret: str = "s3",  # noqa: S107
        headers: dict[str, str] | None = None,
    ) -> RunHint:
        given = (
            {webhook.HEADER.lower(): webhook.sign("s3", body, at)} if headers is None else headers
        )
        return webhook.read(given, body, secret=secret, now=NOW)

    def test_a_signed_notice_names_the_run(self) -> None:
        hint = self.read()
        assert (hint.run, hint.correlation, len(hint.delivery)) == (
            "deploy-shop/7",
            "shop-1:all",
            64,
        )

    @pytest.mark.parametrize("off", [timedelta(minutes=-4), timedelta(minutes=4)])
    def test_five_minutes_are_tolerated(self, off: timedelta) -> None:
        assert self.read(at=NOW + off).run

    @pytest.mark.parametrize(
        "forged",
        [
            {"at": NOW - timedelta(minutes=6)},
            {"at": NOW + timedelta(minutes=6)},
            {"secret": "another"},
            {"secret": ""},
            {"headers": {}},
            {"headers": {webhook.HEADER: "t=1,v1=" + "0" * 64}},
            {"headers": {webhook.HEADER: "v1=" + "0" * 64}},
            {"headers": {webhook.HEADER: "t=٣,v1=" + "0" * 64}},
        ],
    )
    def test_what_is_not_signed_by_us_now_is_refused(self, forged: dict[str, Any]) -> None:
        with pytest.raises(IntegrationError) as caught:
            self.read(**forged)
        assert (caught.value.status, caught.value.retry) == (401, False)

    def test_a_secret_that_is_not_set_accepts_nothing(self) -> None:
        with pytest.raises(IntegrationError) as caught:
            webhook.read({webhook.HEADER: webhook.sign("", b"{}", NOW)}, b"{}", secret="", now=NOW)
        assert caught.value.status == 401

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_what_cannot_be_read_is_said(self, body: bytes) -> None:
        with pytest.raises(IntegrationError) as caught:
            self.read(body)
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        "found",
        [
            {},
            {"builder": "x", "buildrequestid": "7", "correlation_id": "c"},
            {"builder": "x", "buildrequestid": 7},
        ],
    )
    def test_a_notice_about_something_else_concerns_no_run(self, found: dict[str, Any]) -> None:
        hint = self.read(json.dumps(found).encode())
        assert (hint.run, bool(hint.delivery)) == ("", True)


class TestEvents:
    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ('data: {"key": ["builds", "3", "finished"], "message": {"buildrequestid": 7}}', 7),
            ("event: event", None),
            ("data: 4b1c-a-handshake", None),
            ('data: {"key": [], "message": {}}', None),
            ('data: {"message": {"buildrequestid": "7"}}', None),
            ("data: []", None),
            ("", None),
        ],
    )
    def test_a_line_names_a_build_request_or_nothing(self, line: str, found: int | None) -> None:
        assert request_in(line) == found

    async def test_a_stream_is_what_its_lines_say(self) -> None:
        async def lines() -> AsyncIterator[str]:
            for line in (
                "event: handshake",
                "data: x",
                "",
                'data: {"message": {"buildrequestid": 9}}',
            ):
                yield line

        assert [each async for each in requests_in(lines())] == [9]


class TestBuilding:
    options = {  # noqa: RUF012 - an example
        "url": "https://ci.example.com/", "builder": "deploy-shop",
        "scheduler": "deploy-shop", "repository": "https://git.example.com/shop",
    }  # fmt: skip

    async def made(
        self, tmp_path: Path, *, secrets: dict[str, str] | None = None, **options: Any
    ) -> BuildbotCI:
        async with aiohttp.ClientSession() as session:
            context = ProviderContext(
                service="shop", options={**self.options, **options},
                secret=lambda name: (secrets or {}).get(name, ""), session=session,
                rate_limits=RateLimits(), clock=cast("Clock", None),
                runs=cast("RunStore", None), starts=cast("StartStore", None),
                work=tmp_path, wake=lambda _: None,
            )  # fmt: skip
            return build(context)

    async def test_the_named_options_are_enough(self, tmp_path: Path) -> None:
        assert await self.made(tmp_path)
        assert set(self.options) == {
            name for name, option in KIND.options.items() if option.required
        }

    @pytest.mark.parametrize(
        ("options", "secrets", "word"),
        [
            ({"url": ""}, {}, "the option url"),
            ({"url": "ci.example.com"}, {}, "url must be"),
            ({"url": "https://me@ci.example.com"}, {}, "url must be"),
            ({"url": "https://ci.example.com/#/builders"}, {}, "url must be"),
            ({"builder": None}, {}, "the option builder"),
            ({"repository": "ext::sh -c id"}, {}, "repository"),
            ({}, {USER: "gonogo"}, "set both"),
            ({}, {PASSWORD: "word"}, "set both"),
            ({"repository": "ssh://git.example.com/shop"}, {GIT_TOKEN: "word"}, "https"),
        ],
    )
    async def test_a_mistake_is_said_before_anything_is_asked(
        self, tmp_path: Path, options: dict[str, Any], secrets: dict[str, str], word: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=rf"services\.shop\.ci: .*{word}"):
            await self.made(tmp_path, secrets=secrets, **options)
