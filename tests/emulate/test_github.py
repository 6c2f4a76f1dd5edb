"""Our GitHub provider at a GitHub that we did not write: npm's ``emulate`` 0.12.2.
See ``make test-emulate``.

What was seen there, and what GitHub's documentation says instead:

- The combined status of a commit does not exist (404), nor can a workflow, so that
  ``/actions/workflows/deploy.yml/runs`` is 404 too. For both the door answers "nothing"; see
  ``door.py``. Starting, following and cancelling runs can therefore not be tried at emulate.
- ``Accept: application/vnd.github.sha`` is not known; the whole commit comes as JSON. The provider
  reads both, for servers of that kind.
- ``/tags`` lists annotated tags alone, and calls the tag object's SHA the commit's. At GitHub
  both kinds are listed, with the commit. So here a commit is not called by its tag, and
  ``latest`` sees annotated tags alone.
- ``/repos/OWNER/NAME/installation`` is answered without a look at who asks; a wrong
  assertion is refused one call later, at ``access_tokens``, where GitHub would refuse both.
  An assertion's ``iss`` must be the App's number: a client id is not known. An assertion of
  an hour from now is taken.
- A token that nobody gave is taken for the first person of the seed, where GitHub says 401. So a
  token that was revoked cannot be tried.
- A repository that may not be seen is 403, where GitHub says 404.
- All checks of a commit are in one suite, of no App (``"app": null``); with ``filter=latest`` the
  newest of a name is all that is listed, so checks of one name by two Apps cannot be tried. The
  list has no pages. It takes no ``heads/NAME``, which GitHub does.
- A person's token may report checks; GitHub leaves that to Apps. These tests make use of it.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.domain.changes import Change, Changes
from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.ports.ci import Resolved, RunHint
from tests.emulate.conftest import INSTALLATION, PEOPLES_TOKEN, SHOP, VAULT, ShiftedClock
from tests.patience import PATIENCE
from tests.providers.ci.github_app import PERMISSIONS

if TYPE_CHECKING:
    from tests.emulate.conftest import Place

pytestmark = [pytest.mark.emulate, pytest.mark.timeout(120)]


class Opening(Protocol):
    def __call__(self, permissions: dict[str, str]) -> AbstractAsyncContextManager[Place]: ...


def another_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return key.private_bytes(*form).decode()


class TestTheApp:
    async def test_its_key_becomes_one_token_for_the_one_repository_and_every_read_shows_it(
        self, place: Place
    ) -> None:
        ci = place.provider()
        await ci.resolve("main")
        await ci.resolve("main")
        installation, token, *reads = place.door.asked
        assert [f"{each.method} {each.path} {each.status}" for each in (installation, token)] == [
            f"GET /repos/{SHOP}/installation 200",
            f"POST /app/installations/{INSTALLATION}/access_tokens 201",
        ]  # fmt: skip
        assert installation.shown.count(".") == token.shown.count(".") == 2
        (shown,) = {each.shown for each in reads}
        assert shown.startswith("ghs_")
        (given,) = await place.tokens()
        assert (given["app"]["slug"], given["repository_selection"], given["repository_ids"]) == (
            "gonogo",
            "selected",
            [1],
        )
        assert given["permissions"] == PERMISSIONS

    async def test_another_key_is_refused_and_the_sentence_says_whose_fault_it_is(
        self, place: Place
    ) -> None:
        with pytest.raises(
            IntegrationError, match="GitHub gave the App no token: GitHub answered 401"
        ) as refused:
            await place.provider(key=another_key()).resolve("main")
        assert (refused.value.status, refused.value.retry) == (401, False)
        assert not await place.tokens()

    async def test_an_app_that_nobody_knows_is_refused(self, place: Place) -> None:
        with pytest.raises(
            IntegrationError, match="GitHub gave the App no token: GitHub answered 401"
        ):
            await place.provider(app="987654").resolve("main")

    async def test_an_assertion_that_has_run_out_is_refused(self, place: Place) -> None:
        clock = ShiftedClock()
        clock.shift = timedelta(hours=-1)
        with pytest.raises(
            IntegrationError, match="GitHub gave the App no token: GitHub answered 401"
        ):
            await place.provider(clock=clock).resolve("main")

    async def test_a_repository_without_the_app_stays_closed_and_reads_like_no_missing_tag(
        self, place: Place
    ) -> None:
        with pytest.raises(
            IntegrationError,
            match=(
                "GitHub gave the App no token: GitHub answered 404 to GET "
                f"/repos/{VAULT}/installation"
            ),
        ):
            await place.provider(VAULT).resolve("main")
        assert not await place.tokens()

    async def test_without_the_permission_for_contents_nothing_can_be_read(
        self, opening: Opening
    ) -> None:
        async with opening({"metadata": "read"}) as place:
            with pytest.raises(IntegrationError) as refused:
                await place.provider().resolve("main")
        assert (refused.value.status, refused.value.retry) == (403, False)


class TestNames:
    async def test_a_branch_both_kinds_of_tags_and_commits_are_resolved(self, place: Place) -> None:
        old = await place.tip()
        new = await place.commit("show the price")
        await place.refer("tags/v1.0.0", old)
        await place.annotate("v1.1.0", new)
        await place.refer("heads/fix/basket", old)
        ci = place.provider()
        assert await ci.resolve("v1.0.0") == Resolved(old, "v1.0.0")
        assert await ci.resolve("v1.1.0") == Resolved(new, "v1.1.0")
        assert await ci.resolve("latest") == Resolved(new, "v1.1.0")
        assert [(await ci.resolve(ref)).commit for ref in ("main", new, new[:8], "fix/basket")] == [
            new,
            new,
            new,
            old,
        ]

    async def test_a_tag_goes_before_a_branch_of_the_same_name(self, place: Place) -> None:
        old = await place.tip()
        await place.refer("heads/stable", await place.commit("show the price"))
        await place.refer("tags/stable", old)
        assert await place.provider().resolve("stable") == Resolved(old, "stable")

    async def test_an_unknown_name_is_said_to_be_unknown(self, place: Place) -> None:
        with pytest.raises(
            IntegrationError, match='There is no tag, branch or commit "v9" in acme/shop'
        ) as refused:
            await place.provider().resolve("v9")
        assert not refused.value.retry


class TestWhatLiesBetween:
    async def test_commits_authors_and_files_are_listed_oldest_first(self, place: Place) -> None:
        base = await place.tip()
        first, second = await place.commit("show the price"), await place.commit("round it")
        found = await place.provider().compare(base, second)
        assert found.commits == (
            Change(first, "show the price", "cy"),
            Change(second, "round it", "cy"),
        )
        assert (found.total, found.authors, found.files) == (
            2,
            ("cy",),
            ("round-it.txt", "show-the-price.txt"),
        )
        assert found.url.endswith(f"/{SHOP}/compare/{base}...{second}")
        assert not found.backwards

    async def test_going_back_lists_what_is_lost(self, place: Place) -> None:
        base = await place.tip()
        head = await place.commit("show the price")
        found = await place.provider().compare(head, base)
        assert ([each.subject for each in found.commits], found.total, found.backwards) == (
            ["show the price"],
            1,
            True,
        )

    async def test_two_lines_that_went_apart_show_what_the_new_one_has(self, place: Place) -> None:
        await place.refer("heads/fix", await place.tip())
        base, head = (
            await place.commit("show the price"),
            await place.commit("mend the basket", branch="fix"),
        )
        found = await place.provider().compare(base, head)
        assert ([each.subject for each in found.commits], found.backwards) == (
            ["mend the basket"],
            False,
        )

    async def test_the_same_commit_has_nothing_new(self, place: Place) -> None:
        tip = await place.tip()
        assert await place.provider().compare(tip, tip) == Changes()

    async def test_more_than_250_commits_are_counted_over_all_pages_and_the_oldest_250_listed(
        self, place: Place
    ) -> None:
        base = await place.tip()
        line = await place.line(260)
        found = await place.provider().compare(base, line[-1])
        assert (found.total, [each.commit for each in found.commits]) == (260, line[:250])
        assert len([each for each in place.door.asked if "/compare/" in each.path]) == 3


class TestTests:
    async def test_all_that_passed_or_were_skipped_are_green(self, place: Place) -> None:
        tip = await place.tip()
        for name, conclusion in (
            ("unit", "success"),
            ("lint", "success"),
            ("docs", "skipped"),
            ("size", "neutral"),
        ):
            await place.check(tip, name, conclusion)
        found = await place.provider().quality(tip)
        assert (found.state, found.sentence) == (QualityState.GREEN, "2 checks passed")
        assert place.door.added == [
            f"/repos/{SHOP}/actions/workflows/deploy.yml/runs",
            f"/repos/{SHOP}/commits/{tip}/status",
        ]

    @pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "action_required"])
    async def test_one_that_did_not_pass_is_red_and_named(
        self, place: Place, conclusion: str
    ) -> None:
        tip = await place.tip()
        await place.check(tip, "unit", conclusion)
        await place.check(tip, "lint", "success")
        found = await place.provider().quality(tip)
        assert (found.state, found.sentence) == (QualityState.RED, "unit failed")

    async def test_one_that_still_runs_is_waited_for(self, place: Place) -> None:
        tip = await place.tip()
        await place.check(tip, "unit")
        assert (await place.provider().quality(tip)).sentence == "unit still running"

    async def test_the_newest_re_run_decides_both_ways(self, place: Place) -> None:
        tip, ci = await place.tip(), place.provider()
        said = []
        for conclusion in ("failure", "success", "failure"):
            await place.check(tip, "unit", conclusion)
            said.append((await ci.quality(tip)).sentence)
        assert said == ["unit failed", "1 check passed", "unit failed"]

    async def test_a_check_that_is_asked_for_again_is_waited_for(self, place: Place) -> None:
        tip = await place.tip()
        number = await place.check(tip, "unit", "failure")
        await place.asks("POST", f"/check-runs/{number}/rerequest")
        assert (await place.provider().quality(tip)).state is QualityState.RUNNING

    async def test_checks_of_another_commit_do_not_count(self, place: Place) -> None:
        old = await place.tip()
        new = await place.commit("show the price")
        await place.check(old, "unit", "success")
        found = await place.provider().quality(new)
        assert (found.state, found.sentence) == (
            QualityState.NONE,
            "no tests have run at this commit",
        )

    async def test_an_app_that_may_not_see_checks_says_so_and_passes_nothing(
        self, opening: Opening
    ) -> None:
        async with opening(
            {name: right for name, right in PERMISSIONS.items() if name != "checks"}
        ) as place:
            tip = await place.tip()
            await place.check(tip, "unit", "success")
            found = await place.provider().quality(tip)
            assert place.door.with_status(403) == [f"GET /repos/{SHOP}/commits/{tip}/check-runs"]
        assert (found.state, "checks of other apps cannot be seen" in found.sentence) == (
            QualityState.NONE,
            True,
        )


class TestItsWebhook:
    async def test_what_emulate_signs_is_authentic_with_our_secret_alone_and_a_check_names_no_run(
        self, place: Place
    ) -> None:
        await place.check(await place.tip(), "unit", "success")
        async with asyncio.timeout(PATIENCE):
            headers, body = await place.letterbox.deliveries.get()
        named = {name.lower(): value for name, value in headers.items()}
        assert named["x-github-event"] == "check_run"
        assert place.provider().parse_webhook(headers, body) == RunHint(
            "", delivery=named["x-github-delivery"], commit=await place.tip()
        )
        for wrong in (place.provider(secret="another"), place.provider(secret="")):
            with pytest.raises(IntegrationError, match="This delivery is not signed by GitHub"):
                wrong.parse_webhook(headers, body)
        with pytest.raises(IntegrationError, match="This delivery is not signed by GitHub"):
            place.provider().parse_webhook(headers, body.replace(b"unit", b"lint"))


class TestWhatEmulateDoesDifferently:
    """What the module says above, as it was seen: when one of these fails, a newer emulate can do
    more, and so can these tests.
    """

    async def test_a_commit_in_short_form_comes_as_json(self, place: Place) -> None:
        headers = {
            "Accept": "application/vnd.github.sha",
            "Authorization": f"Bearer {PEOPLES_TOKEN}",
        }
        async with place.session.get(
            f"{place.url}/repos/{SHOP}/commits/heads/main", headers=headers
        ) as answer:
            assert answer.content_type == "application/json"

    async def test_tags_are_annotated_ones_with_the_number_of_the_tag(self, place: Place) -> None:
        tip = await place.tip()
        await place.refer("tags/v1.0.0", tip)
        await place.annotate("v1.1.0", tip)
        (listed,) = await place.asks("GET", "/tags")
        assert (listed["name"], listed["commit"]["sha"] == tip) == ("v1.1.0", False)
        assert (await place.provider().resolve(tip)).version == tip[:10]

    async def test_an_installation_is_told_to_anybody_and_an_unknown_token_is_somebody(
        self, place: Place
    ) -> None:
        async with place.session.get(f"{place.url}/repos/{SHOP}/installation") as answer:
            assert answer.status == 200
        async with place.session.get(
            f"{place.url}/repos/{SHOP}", headers={"Authorization": "Bearer ghs_nobody"}
        ) as answer:
            assert answer.status == 403

    async def test_an_assertion_from_the_future_is_taken_and_a_client_id_is_not(
        self, place: Place
    ) -> None:
        clock = ShiftedClock()
        clock.shift = timedelta(hours=1)
        assert (await place.provider(clock=clock).resolve("main")).commit == await place.tip()
        with pytest.raises(IntegrationError, match="GitHub answered 401"):
            await place.provider(app="Iv23liGoNoGo").resolve("main")

    async def test_checks_are_of_no_app_in_one_suite_on_one_page_and_not_found_by_a_branch(
        self, place: Place
    ) -> None:
        tip = await place.tip()
        for name in ("unit", "lint"):
            await place.check(tip, name, "success")
        listed = (await place.asks("GET", f"/commits/{tip}/check-runs?per_page=1"))["check_runs"]
        assert {(each["app"], each["check_suite"]["id"]) for each in listed} == {(None, 1)}
        assert len(listed) == 2
        with pytest.raises(AssertionError, match="404"):
            await place.asks("GET", "/commits/heads/main/check-runs")

    async def test_statuses_and_the_runs_of_a_workflow_are_not_there(self, place: Place) -> None:
        await place.provider().quality(await place.tip())
        await place.check(await place.tip(), "unit", "success")
        await place.provider().quality(await place.tip())
        assert {line.rpartition("/")[2] for line in place.door.with_status(404)} == {
            "status",
            "runs",
        }
