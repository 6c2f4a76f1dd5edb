"""What happens to a deployment is told in its thread, with who and why; what sets something going
again says so to whoever does it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import (
    AskLead,
    History,
    Lock,
    Proceed,
    Quarantine,
    RollBack,
    SayWhy,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.people import GONOGO, Person
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from tests.services.test_endings import end, said

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
BAD = Observed(60, 1000, requests=1000)


async def thread(team: Team, template: str) -> list[str]:
    """Read what was said in threads; messages of this template are nowhere else."""
    assert {message.to for message in await team.outbox() if message.template == template} <= {
        "thread"
    }
    found: list[str] = await team.said(template)
    return found


@pytest.mark.case("card-and-people-5")
@pytest.mark.parametrize(
    ("service", "place"), [("shop", "*shop in production*"), ("", "*everything in production*")]
)
async def test_a_lock_and_its_end_are_lines_in_the_thread_of_what_is_under_way(
    team: Team, service: str, place: str
) -> None:
    await team.rolls_out_v2()
    await team.says("bo", Lock(service, "production", "fire at 5 %"))
    await team.says("bo", Unlock(service, "production"))
    assert await thread(team, "lock_said") == [
        f"<@UBO> locked {place}: fire at 5 %. This goes no further before that is over.",
        (f"<@UBO> took away the lock on {place}; the reason was: fire at 5 %. "
         "Nothing keeps this any more: it goes on to 100 % by itself once its numbers allow; "
         "where they do not, its lead decides."),
    ]  # fmt: skip


@pytest.mark.case("card-and-people-5")
async def test_a_deployment_that_waits_is_told_of_a_lock_in_its_thread(team: Team) -> None:
    await team.asks_for_v2()
    await team.says("bo", Lock("shop", "production", "fire", 7200))
    (line,) = await thread(team, "lock_said")
    assert line.startswith("<@UBO> locked *shop in production* until ")
    assert line.endswith(": fire. This does not begin before that is over.")


@pytest.mark.case("card-and-people-5")
async def test_the_lock_of_a_rollback_and_its_end_stand_in_the_thread_of_what_was_rolled_back(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    await team.says("bo", Unlock(deployment=v2))
    (locked, unlocked) = await thread(team, "lock_said")
    assert locked == (
        "The rollback of shop-2 by <@UBO> locked *shop in production*: v2 was "
        "rolled back: carts are lost."
    )
    assert unlocked == (
        "<@UBO> took away the lock on *shop in production*; the reason was: v2 was "
        "rolled back: carts are lost."
    )


async def test_a_lock_during_a_rollback_is_told_in_the_thread_of_what_is_rolled_back_and_once(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    await team.says("bo", Lock("shop", "production", "fire"))
    assert [
        message.deployment for message in await team.outbox() if message.template == "lock_said"
    ] == [v2]


@pytest.mark.case("card-and-people-5", "card-and-people-11")
async def test_a_standstill_is_told_in_the_channel_and_the_thread_and_ends_when_it_goes_on(
    team: Team,
) -> None:
    await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(15 * MINUTE)
    assert await thread(team, "standstill") == [
        (
            "It stands still before 100 %: shop in production is locked: fire. Locked by "
            "<@UBO> 2026-11-21 02:11 UTC. "
            "Anyone with the role release manager can lift it: "
            "/deploy unlock shop production"
        )
    ]
    post = await said(team, "stands_still")
    assert await end(team, post) == ""
    answer = await team.says("bo", Unlock("shop", "production"))
    kept = (
        "*shop v2 → production* is held no longer: it goes on to 100 % by "
        "itself once its numbers allow"
    )
    assert f"{kept}; where they do not, its lead decides. <@UBO> leads it." in answer
    await team.passes(MINUTE)
    assert await end(team, post) == "It has gone on."


@pytest.mark.case("card-and-people-11")
async def test_a_standstill_for_another_reason_ends_the_word_about_the_first(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(15 * MINUTE)
    post = await said(team, "stands_still")
    await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
    answer = await team.says("bo", Unlock("shop", "production"))
    assert "goes on" not in answer, "the quarantine keeps it"
    assert await end(team, post) == "That is over; something else keeps it now."
    await team.says("bo", RollBack(deployment=v2, reason="enough"))
    await team.passes(MINUTE)
    assert await end(team, post) == "It was rolled back to v1 by <@UBO>."


@pytest.mark.case("card-and-people-5")
async def test_whoever_lifts_a_quarantine_is_told_what_goes_on_and_its_lead_reads_it_in_the_thread(
    team: Team,
) -> None:
    await team.rolls_out_v2()
    await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
    await team.passes(15 * MINUTE)
    answer = await team.says("di", Unquarantine("shop", "v2", "it was the database"))
    assert "*shop v2 → production* is held no longer: it goes on to 100 %" in answer
    *_, line = [line for line in await thread(team, "quarantine_said") if "goes on" in line]
    assert "<@UDI> lifted the quarantine of *v2*: it was the database." in line
    assert (
        "it goes on to 100 % by itself once its numbers allow; where they do not, its lead "
        "decides. <@UBO>, you lead it."
    ) in line


@pytest.mark.case("card-and-people-5")
async def test_while_a_step_is_observed_the_card_says_what_will_keep_it_from_the_next(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await team.says("bo", Lock("shop", "production", "fire"))
    shown = await team.shown(v2)
    assert "It goes no further than this step: shop in production is locked: fire." in shown
    assert "stands still before" not in shown
    await team.passes(15 * MINUTE)
    assert (
        "stands still before canary 100 % · step 2 of 2: shop in production is locked: fire"
        in await team.shown(v2)
    )


@pytest.mark.case("card-and-people-1", "card-and-people-5")
async def test_the_card_and_the_thread_say_who_let_it_go_on_from_where_and_why(team: Team) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await team.says("bo", Proceed(v2, "we accept it"))
    assert await thread(team, "proceeds") == [
        (
            "*shop v2 → production* goes on to 100 % on <@UBO>'s word, once its time at 5 % is "
            "over (02:20 UTC): we accept it"
        )
    ]
    assert "The lead let it go on from 5 %: we accept it" in await team.shown(v2)
    await team.passes(11 * MINUTE)
    assert (await team.card(v2)).steps[1].state != "pending"
    assert "The lead let it go on from 5 %: we accept it" in await team.shown(v2)


@pytest.mark.case("card-and-people-12")
async def test_asking_the_lead_twice_stands_once_in_the_timeline(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("cy", AskLead(v2))
    await team.says("cy", AskLead(v2))
    assert (await team.audited(v2)).count("ask_lead") == 1


@pytest.mark.case("card-and-people-12")
async def test_a_lock_of_the_bots_own_is_said_to_be_its_own(team_with: Any) -> None:
    async with team_with(gates=(), checklist=(), approvals=()) as team:
        async with team.database.store.transaction() as tx:
            from bot.domain.locks import Lock as Held

            await tx.add_lock(
                Held(
                    "shop",
                    "production",
                    "v2 was rolled back",
                    GONOGO,
                    team.context.now(),
                    deployment="shop-9",
                )
            )
        await team.says("bo", Lock("shop", "production", "fire"))
        answer = await team.says("bo", Unlock("shop", "production"))
        assert "by <@UBO>: fire; by Go/No-Go: v2 was rolled back" in answer


@pytest.mark.parametrize(
    ("person", "called"),
    [
        (Person("T1", "UBO"), "<@UBO>"),
        (GONOGO, "Go/No-Go"),
        (Person("terminal", "operator"), "operator"),
        (Person("", ""), "nobody"),
    ],
)
def test_somebody_is_mentioned_where_that_is_possible_and_named_where_it_is_not(
    person: Person, called: str
) -> None:
    assert person.mention == called


@pytest.mark.case("card-and-people-7")
async def test_the_status_says_that_what_is_live_is_quarantined(team: Team) -> None:
    assert "quarantined" not in await team.says("ana", Status("shop"))
    await team.says("bo", Quarantine("shop", "v1", "it leaks"))
    assert "v1 is *quarantined*: it leaks" in await team.says("ana", Status("shop"))


@pytest.mark.case("card-and-people-9")
@pytest.mark.parametrize(
    ("bad", "says"), [(True, "v2 is quarantined and cannot"), (False, "v2 may be deployed again.")]
)
async def test_the_thread_says_of_a_rollback_only_what_it_did(
    team: Team, *, bad: bool, says: str
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    if bad:
        team.numbers.new = BAD
        await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    (line,) = await thread(team, "rolled_back")
    assert says in line
    assert "production is locked until somebody unlocks it." in line
    assert "no reason was given" in await team.says("ana", History("shop", "production"))


@pytest.mark.case("races-27")
async def test_three_clicks_on_roll_back_at_once_are_answered_once(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    click = RollBack(deployment=v2)
    said_to_bo = await asyncio.gather(*(team.says("bo", click) for _ in range(3)))
    assert sorted(said_to_bo) == [
        "",
        "",
        "Rolling shop in production back to *v1*. The card shows how it goes.",
    ]
    async with team.database.store.reading() as reader:
        assert [
            each.undoes for each in await reader.history("shop", "production") if each.undoes
        ] == [v2]


@pytest.mark.case("card-and-people-9")
@pytest.mark.parametrize("is_back", [True, False])
async def test_whoever_rolls_back_with_one_click_is_asked_why_and_every_place_says_it(
    team: Team, *, is_back: bool
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2), key="click")
    async with team.database.store.reading() as reader:
        answer = await reader.kept("click")
    assert [(offer.action, offer.label) for offer in answer.offers] == [
        (Action.SAY_WHY, "Say why…")
    ]
    if is_back:
        await team.passes(MINUTE)
    assert Action.SAY_WHY in (await team.card(v2)).actions
    shown = answer.offers[0].carries
    assert shown == token(Action.SAY_WHY, seen_on(await team.card(v2)))
    assert (await team.says("cy", SayWhy(v2, "I know why", shown))).startswith(
        "Only <@UBO>, who led it, can say why"
    )
    said = await team.says("bo", SayWhy(v2, "carts are lost", shown))
    assert said == (
        "Noted why *shop v2 → production* was rolled back: carts are lost. The history, the "
        "lock and the thread say so."
    )
    await team.passes(MINUTE)
    assert (
        "undoes shop-2): carts are lost"
        in (await team.says("ana", History("shop", "production"))).split("\n")[1]
    )
    assert "production is locked: v2 was rolled back: carts are lost" in await team.shown(v2)
    assert await thread(team, "said_why") == ["Why it was rolled back, says <@UBO>: carts are lost"]
    assert Action.SAY_WHY not in (await team.card(v2)).actions
    again = await team.says("bo", SayWhy(v2, "no, the errors", shown))
    assert again == "Why shop v2 → production was rolled back is said already: carts are lost"


@pytest.mark.case("card-and-people-9")
async def test_whoever_gave_a_reason_is_not_asked_for_one(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"), key="click")
    async with team.database.store.reading() as reader:
        answer = await reader.kept("click")
    assert answer.offers == ()
    assert Action.SAY_WHY not in (await team.card(v2)).actions


async def test_why_the_second_rollback_was_begun_is_told_too(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.ends["rollback"] = RunState.FAILED
    await team.says("bo", RollBack(deployment=v2))
    await team.says("bo", SayWhy(v2, "carts are lost"))
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.FAILED
    team.ci.ends.clear()
    await team.says("bo", RollBack(deployment=v2))
    said = await team.says("bo", SayWhy(v2, "carts are still lost"))
    assert said.startswith("Noted why ")
    assert [each.partition(": ")[2] for each in await thread(team, "said_why")] == [
        "carts are lost",
        "carts are still lost",
    ]


async def test_a_button_to_unlock_works_after_the_reason_of_its_lock_was_said(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(5 * MINUTE)
    shown = token(Action.UNLOCK, seen_on(await team.card(v2)))
    await team.says("bo", SayWhy(v2, "carts are lost"))
    said = await team.says("bo", Unlock(deployment=v2, shown=shown))
    assert "is unlocked" in said or "unlocked" in said
    assert "gone already" not in said
