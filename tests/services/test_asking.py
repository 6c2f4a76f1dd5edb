"""Asking, getting ready, getting approved: who may, what is refused, and what the person reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule
from bot.domain.commands import (
    Acknowledge,
    Approve,
    Cancel,
    Check,
    Deploy,
    DeployFirst,
    History,
    Lock,
    Locks,
    Reject,
    Status,
    Tick,
    Unlock,
)
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.shown import Seen, token
from bot.ports.talk import LATE_ANSWER
from bot.queries.card import card_of
from tests.services.conftest import COMMITS

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (Deploy("shpo", "production"), 'I don\'t know the service "shpo". Did you mean shop?'),
        (Deploy("zebra", "production"), 'I don\'t know the service "zebra". Known: shop.'),
        (Deploy("shop", "prod"), 'shop has no environment "prod". Did you mean production?'),
        (
            Deploy("shop", "prodution"),
            'shop has no environment "prodution". Did you mean production?',
        ),
        (
            Deploy("shop", "production", strategy="canry"),
            'I don\'t know the strategy "canry". Did you mean canary?',
        ),
        (
            Deploy("shop", "production", strategy="magic"),
            'I don\'t know the strategy "magic". Known: canary, rolling.',
        ),
        (
            Deploy("shop", "production", lead="USTRANGER"),
            "members of this workspace only; this account is a guest of this workspace.",
        ),
        (Cancel("shop-9"), 'I don\'t know a deployment "shop-9". /deploy status shows what runs'),
        (Lock("", "moon", "no"), 'No service has an environment "moon".'),
        (Check("shop", "production", "v9"), "there is no v9"),
    ],
)
async def test_what_is_not_understood_gets_the_nearest_word(
    team: Team, command: Any, says: str
) -> None:
    assert says in await team.says("ana", command)


async def test_a_check_while_the_provider_is_away_says_so_in_words_of_people(team: Team) -> None:
    team.ci.away = True
    assert await team.says("ana", Check("shop", "production", "v2")) == (
        "the CI does not answer, so this cannot be told now. Try again in a minute."
    )


@pytest.mark.parametrize(
    ("person", "says"),
    [
        (Person("T2", "UANA"), "Go/No-Go takes requests from members of this workspace only."),
        (
            Person("T1", "UGUEST"),
            "members of this workspace only; this account is a guest of this workspace.",
        ),
        (
            Person("T1", "UDI"),
            "You cannot ask for a deployment. People with the role developer can.",
        ),
    ],
)
async def test_strangers_ask_for_nothing(team: Team, person: Person, says: str) -> None:
    assert says in await team.says("", Deploy("shop", "staging", "v2"), person=person)


async def test_the_terminal_may_ask_without_slack(team: Team) -> None:
    assert await team.says(
        "", Deploy("shop", "staging", "v2"), person=Person("terminal", "root")
    ) == ("*shop v2 → staging* is asked for as shop-1, at commit bbbbbbb.")
    await team.passes(10 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("card-and-people-6")
async def test_a_ref_that_does_not_exist_or_is_quarantined_is_refused_to_the_person_alone(
    team: Team,
) -> None:
    assert await team.says("ana", Deploy("shop", "staging", "v9")) == "there is no v9"
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            "b" * 40,
            reason="rolled back: errors",
            by=Person("T1", "UBO"),
            at=team.context.now(),
        )
    assert "v2 is quarantined: rolled back: errors. Deploy another version" in await team.says(
        "ana", Deploy("shop", "staging", "v2")
    )
    said = await team.says("ana", Deploy("shop", "staging", "previous"))
    assert said == "There is no previous version that was verified here."
    assert await card_of(team.context, "shop-1") is None, "nothing was stored"


ASKED = (
    "*shop {ref} → staging* is asked for as shop-1. The CI provider does not answer, so it "
    "is not known yet {what}. "
    "It is looked up as soon as it answers; /deploy cancel shop-1 takes it back."
)


@pytest.mark.case("card-and-people-6")
@pytest.mark.parametrize(
    ("ref", "what"), [("v9", "whether v9 exists"), ("latest", "which version that is")]
)
async def test_whoever_asks_while_the_ci_provider_is_away_hears_that_it_could_not_be_looked_up(
    team: Team, ref: str, what: str
) -> None:
    team.ci.away = True
    assert await team.says("ana", Deploy("shop", "staging", ref)) == ASKED.format(
        ref=ref, what=what
    )
    shown = await team.shown("shop-1")
    assert f"looking up {ref}; the CI provider has not answered since 02:00 UTC" in shown
    await team.passes(10 * MINUTE)
    assert shown == await team.shown("shop-1"), "it is not drawn anew at each try"
    assert "is cancelled. Nothing was touched." in await team.says("ana", Cancel("shop-1"))


@pytest.mark.case("card-and-people-6")
async def test_a_ref_that_is_refused_when_the_ci_provider_answers_again_leaves_one_line_and_word_for_whoever_asked(
    team: Team,
) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "staging", "v9"))
    team.ci.away = False
    await team.passes()
    assert (
        await team.shown("shop-1")
        == "*shop v9 → staging* · there is no v9. Asked for by <@UANA> (shop-1)"
    )
    assert await team.said_to("T1/UANA") == [LATE_ANSWER]
    assert await team.said(LATE_ANSWER) == [
        (
            "The CI provider has answered about shop v9 → staging (shop-1), which you "
            "asked for: there is no v9"
        )
    ]
    assert await team.said() == await team.said(LATE_ANSWER), "nobody else hears of it"
    assert "Nothing has been deployed here yet." in await team.says("ana", History("shop"))


@pytest.mark.case("card-and-people-6")
async def test_what_turns_out_to_be_live_or_quarantined_is_refused_to_whoever_asked_as_well(
    team: Team,
) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "production", "v1"))
    await team.says("", Deploy("shop", "production", "v9"), person=Person("terminal", "root"))
    team.ci.away = False
    await team.passes()
    (said,) = await team.said(LATE_ANSWER)
    assert said.endswith(
        "(shop-1), which you asked for: v1 is live in production already, so "
        "there is nothing to deploy."
    )
    assert "Asked for by <@UANA> (shop-1)" in await team.shown("shop-1")
    assert "there is no v9. Asked for by root" in await team.shown("shop-2")


@pytest.mark.case("card-and-people-6")
async def test_what_exists_goes_on_when_the_ci_provider_answers_again(team: Team) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.ci.away = False
    await team.passes()
    assert (await team.deployment("shop-1")).state is State.GATED
    assert "has not answered" not in await team.shown("shop-1")
    assert LATE_ANSWER not in await team.said_to("T1/UANA")
    assert "*v2* → production · waiting for its gates" in await team.says("ana", History("shop"))


async def test_the_thread_holds_every_gate_with_its_evidence(team: Team) -> None:
    v2 = await team.asks_for_v2()
    assert (await team.said("gates"))[-1].startswith(
        "*Gates*: 2 of 7 open\n✓ tests green: 212 tests of bbbbbbb"
    )
    shown = await team.shown(v2)
    assert "not ready: 2 of 7 gates open" in shown
    assert await team.said_to("T1/UBO") == ["acknowledge_request"]
    assert "is GATED" not in shown
    assert "Only <@UBO>, who is on call for shop, can acknowledge." in await team.says(
        "cy", Acknowledge(v2)
    )
    assert "you know about *shop v2 → production* and are on call for it." in await team.says(
        "bo", Acknowledge(v2)
    )
    assert "They can be ticked by: support." in await team.says("ana", Tick(v2, ("support",)))
    assert "You cannot tick security: that belongs to another role." in await team.says(
        "cy", Tick(v2, ("security",))
    )
    assert "1 item of yours is ticked" in await team.says("cy", Tick(v2, ("support",)))
    assert "None of your items is ticked" in await team.says("cy", Tick(v2, (), ("support",)))
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes()
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
    await team.says("bo", Approve(v2))
    await team.passes()
    assert "*Gates*: all 7 hold" in "\n".join(await team.said("gates"))
    assert "its checklist is closed" in await team.says("cy", Tick(v2, ()))


async def test_four_eyes_and_one_voice_each(team_with: Any) -> None:
    async with team_with(
        gates=(), checklist=(), approvals=(ApprovalRule("release_manager", 2),)
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert (
            "You asked for shop v2 → production yourself; somebody else has to approve it."
            in await team.says("ana", Approve("shop-1"))
        )
        assert (
            "You cannot approve shop v2 → production. It needs 2 approvals by people with "
            "the role release manager."
        ) in await team.says("cy", Approve("shop-1"))
        team.workspace.readable = False
        with pytest.raises(IntegrationError):
            # a group that cannot be read gives nothing, and refuses nobody: the command waits
            await team.says("di", Approve("shop-1"))
        team.workspace.readable = True
        assert "Your approval of *shop v2 → production* is stored." in await team.says(
            "di", Approve("shop-1"), key="one click"
        )
        again = await team.says("di", Approve("shop-1"), key="one click")
        assert "Your approval of *shop v2 → production* is stored." in again, (
            "what comes twice is answered as it was"
        )
        assert (
            await team.says("di", Approve("shop-1"))
            == "You have decided about shop v2 → production already."
        )
        assert "You rejected *shop v2 → production*." not in await team.says(
            "cy", Reject("shop-1", "no")
        )
        assert (await team.deployment("shop-1")).state is State.AWAITING_APPROVAL


async def test_a_rejection_ends_it_and_the_requester_reads_why(team_with: Any) -> None:
    async with team_with(gates=(), checklist=()) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert "reads your reason on the card: the sale is on" in await team.says(
            "di", Reject("shop-1", "the sale is on")
        )
        shown = await team.shown("shop-1")
        assert "rejected, nothing was touched" in shown
        assert "the sale is on" in shown
        assert "it does not wait for approval" in await team.says("di", Approve("shop-1"))
        assert "it does not wait for approval" in await team.says("bo", Reject("shop-1", "again"))


async def test_what_nobody_approves_expires(team_with: Any) -> None:
    async with team_with(gates=(), checklist=(), approval_expires=10 * MINUTE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(12 * MINUTE)
        assert "expired, nothing was touched" in await team.shown("shop-1")


async def test_nobody_on_call_blocks_and_cannot_acknowledge(team: Team) -> None:
    team.rota.person = None
    v2 = await team.asks_for_v2()
    assert "nobody is on call" in await team.shown(v2)
    assert (
        await team.says("bo", Acknowledge(v2))
        == "Nobody is on call for shop now, so nobody can acknowledge."
    )


async def test_a_provider_that_does_not_answer_is_never_green(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.away = team.rota.away = True
    await team.passes(2 * MINUTE)
    shown = await team.shown(v2)
    assert "? tests green: the CI does not answer" in shown
    assert "? on-call knows: the rota does not answer" in shown
    team.ci.away = team.rota.away = False
    team.ci.quality_state = QualityState.RED
    await team.passes(2 * MINUTE)
    assert "○ <https://ci.example.com/7|tests green>: 212 tests of bbbbbbb" in await team.shown(v2)


async def test_the_second_waits_for_the_first_and_a_cancelled_one_makes_room(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("cy", Deploy("shop", "production", "v3"))
    await team.passes()
    assert "queued behind shop-2" in await team.shown("shop-3")
    assert (
        "Only <@UBO>, the deployment lead, or <@UANA>, who asked for it, or "
        "people with the role release manager can cancel shop-2."
        in await team.says("cy", Cancel(v2))
    )
    assert "(shop-2) is cancelled. Nothing was touched." in await team.says(
        "ana", Cancel(v2), key="click"
    )
    assert "(shop-2) is cancelled. Nothing was touched." in await team.says(
        "ana", Cancel(v2), key="click"
    )
    assert "was cancelled already; there is nothing to cancel." in await team.says(
        "ana", Cancel(v2)
    )
    await team.passes(2 * MINUTE)
    assert (await team.deployment("shop-3")).state is State.GATED


async def test_what_rolls_out_is_not_cancelled(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        "is rolling out already. <@UBO>, its lead, can roll it back: on its card, or with "
        "/rollback shop production because TEXT."
    ) in await team.says("ana", Cancel(v2))


async def test_the_environment_before_is_one_click_away(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    assert "v2 is not live on staging: v1 is live there" in await team.shown("shop-1")
    assert (
        await team.says("cy", DeployFirst("shop-1"))
        == "*shop v2 → staging* is asked for as shop-2, at commit bbbbbbb."
    )
    await team.passes(10 * MINUTE)
    first = await team.deployment("shop-2")
    assert (first.environment, first.state, first.reason) == (
        "staging",
        State.VERIFIED,
        "first step of shop-1",
    )
    assert "waits for no other environment" in await team.says("cy", DeployFirst("shop-2"))


@pytest.mark.case("card-and-people-13")
async def test_what_is_quarantined_and_live_in_the_environment_before_is_answered_with_what_helps(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop", "b" * 40, reason="carts are lost", by=Person("T1", "UBO"), at=team.context.now()
        )
    said = await team.says("cy", DeployFirst(v2))
    assert said.startswith(
        "v2 is live in staging already. v2 is quarantined: carts are lost. Deploy another version;"
    )
    assert said.endswith("or the quarantine is lifted: /deploy unquarantine shop v2 because TEXT.")


@pytest.mark.parametrize(("channel", "said_in"), [("C1", "C1"), ("", "C2")])
async def test_a_card_goes_to_the_services_channel_or_else_to_where_it_was_asked_for(
    team: Team, channel: str, said_in: str
) -> None:
    shop = replace(team.context.service("shop"), channel=channel)
    object.__setattr__(
        team.context, "catalog", replace(team.context.catalog, services={"shop": shop})
    )
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    await team.says("cy", DeployFirst("shop-1"))
    assert [(await team.deployment(each)).channel for each in ("shop-1", "shop-2")] == [said_in] * 2


async def test_locks_keep_out_and_name_who_holds_them(team: Team) -> None:
    assert (
        "You cannot lock an environment. People with the role release manager can."
        in await team.says("cy", Lock("shop", "production", "x"))
    )
    assert await team.says("ana", Locks()) == "Nothing is locked."
    assert "shop in production is locked until" in await team.says(
        "bo", Lock("shop", "production", "a sale", 7200), key="a"
    )
    assert "shop in production is locked already, by <@UBO>: a sale" in await team.says(
        "di", Lock("shop", "production", "another")
    )
    assert "Everything in production is locked: an incident" in await team.says(
        "bo", Lock("", "production", "an incident")
    )
    assert "everything in production*: an incident" in await team.says("ana", Locks())
    v2 = await team.asks_for_v2()
    assert "is locked: " in await team.shown(v2)
    assert "locked by <@UBO>" in await team.says("ana", Status("shop"))
    assert "has one lock less. It was locked by <@UBO>" in await team.says(
        "di", Unlock("shop", "production")
    )
    assert "is unlocked. It was locked by <@UBO>" in await team.says("di", Unlock("", "production"))
    assert (
        await team.says("bo", Unlock("", "production"))
        == "There is no lock on everything in production. /deploy locks lists what is locked."
    )
    await team.passes()
    assert "not locked" in await team.shown(v2)


async def test_questions_are_answered_and_change_nothing(team: Team) -> None:
    assert "You cannot see the status." in await team.says("di", Status())
    assert (
        "*shop production*: v1 live since 2026-11-21 02:00 UTC, adopted by an operator"
        in await team.says("ana", Status())
    )
    assert "Nothing has been deployed here yet." in await team.says(
        "ana", History("shop", "production")
    )
    checked = await team.says("ana", Check("shop", "production", "v2"))
    assert checked.startswith("*shop v2 → production*: not ready, 3 of 7 gates open")
    assert "1 commit by cy" in checked
    assert "Nothing was changed by this check." in checked
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert (
        "• 2026-11-21 02:00 UTC · *v2* → staging · verified, healthy · "
        "asked for by <@UANA> (shop-1)"
    ) in await team.says("ana", History("shop"))
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop", "c" * 40, reason="known bad", by=Person("T1", "UBO"), at=team.context.now()
        )
    assert "not possible, the version is quarantined: known bad" in await team.says(
        "ana", Check("shop", "staging", "v3")
    )


@pytest.mark.case("trust-5")
async def test_looking_at_a_release_starts_no_tests_and_asking_for_it_starts_them_once(
    team: Team,
) -> None:
    team.ci.startable, team.ci.quality_state = True, QualityState.NONE
    await team.says("ana", Check("shop", "production", "v2"))
    assert not team.ci.runs
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    assert [request.action for request in team.ci.runs.values()] == ["test"]


async def test_a_rejection_of_something_else_than_what_is_there_is_refused_and_ends_nothing(
    team_with: Any,
) -> None:
    async with team_with(gates=(), checklist=()) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        said = await team.says(
            "di",
            Reject("shop-1", "the sale is on", token(Action.REJECT, Seen(commit=COMMITS["v3"]))),
        )
        assert "has changed since it was shown to you" in said
        assert (await team.deployment("shop-1")).state is State.AWAITING_APPROVAL
