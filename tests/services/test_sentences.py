"""Sentences that look before they speak: what is said of locks, leads, cancelling and the
past, in each situation.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import (
    AskLead,
    Cancel,
    Deploy,
    HandOver,
    History,
    Lock,
    Locks,
    RollBack,
    SayLive,
    Tick,
    Unlock,
)
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from bot.services import summaries, timely
from tests.services.conftest import PEOPLE

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
BAD = Observed(60, 1000, requests=1000)


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize(
    ("locked", "unlocked", "says"),
    [
        (
            [],
            "shop",
            ("There is no lock on shop in production alone. /deploy locks lists what is locked."),
        ),
        (
            [],
            "",
            ("There is no lock on everything in production. /deploy locks lists what is locked."),
        ),
        (
            [""],
            "shop",
            (
                "There is no lock on shop in production alone. Everything in production is locked, "
                "by <@UBO>: reason of all. "
                "/deploy unlock all production takes that away."
            ),
        ),
        (
            ["shop"],
            "",
            (
                "There is no lock on everything in production. shop in production is locked, by "
                "<@UBO>: reason of shop. "
                "/deploy unlock shop production takes that away."
            ),
        ),
        (
            ["shop"],
            "shop",
            ("shop in production is unlocked. It was locked by <@UBO> just now: reason of shop"),
        ),
        (
            [""],
            "",
            (
                "Everything in production is unlocked. It was locked "
                "by <@UBO> just now: reason of all"
            ),
        ),
        (
            ["shop", ""],
            "shop",
            (
                "shop in production has one lock less. It was locked by <@UBO> "
                "just now: reason of shop\n"
                "<@UBO> keeps *everything in production* locked: reason of all"
            ),
        ),
        (
            ["shop", ""],
            "",
            (
                "Everything in production is unlocked. It was locked by <@UBO> "
                "just now: reason of all\n"
                "<@UBO> keeps *shop in production* locked: reason of shop"
            ),
        ),
    ],
)
async def test_unlocking_says_what_stays_locked(
    team: Team, locked: list[str], unlocked: str, says: str
) -> None:
    for service in locked:
        await team.says("bo", Lock(service, "production", f"reason of {service or 'all'}"))
    assert await team.says("bo", Unlock(unlocked, "production")) == says


@pytest.mark.case("card-and-people-12")
async def test_the_button_of_a_card_does_not_say_unlocked_while_a_wider_lock_holds(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    await team.says("bo", Lock("", "production", "incident 7"))
    assert "<@UBO> keeps *everything in production* locked: incident 7" in await team.says(
        "bo", Unlock(deployment=v2)
    )
    again = await team.says("bo", Unlock(deployment=v2))
    assert again.startswith(
        "The lock of this rollback is gone already. Everything in production is "
        "locked, by <@UBO>: incident 7."
    )


@pytest.mark.case("races-24")
async def test_the_locks_are_shown_to_whoever_may_see_the_status_and_to_nobody_else(
    team: Team,
) -> None:
    await team.says("bo", Lock("shop", "production", "a secret reason"))
    assert "a secret reason" in await team.says("cy", Locks())
    refused = await team.says("di", Locks())
    assert refused.startswith("You cannot see the locks.")
    assert "secret" not in refused


@pytest.mark.case("card-and-people-12")
@pytest.mark.case("races-23")
async def test_a_lead_who_was_asked_is_not_said_to_be_asked_again_and_the_next_lead_is_asked(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        await team.says("cy", AskLead(v2))
        == "<@UBO> has been asked to look at *shop v2 → production*."
    )
    assert (await team.says("cy", AskLead(v2))).startswith(
        "You have asked <@UBO> already to look at *shop v2 → production*; nothing more"
    )
    assert await team.said_to("T1/UBO") == ["acknowledge_request", "ask_lead"]
    await team.says("bo", HandOver(v2, "UANA"))
    assert (
        await team.says("cy", AskLead(v2))
        == "<@UANA> has been asked to look at *shop v2 → production*."
    )
    assert await team.said_to("T1/UANA") == ["ask_lead"]


@pytest.mark.case("card-and-people-12")
async def test_cancelling_advises_a_rollback_only_where_one_is_possible(team_with: Any) -> None:
    async with team_with(
        gates=(), checklist=(), approvals=(), after="", strategy="rolling", watch=MINUTE
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(4 * MINUTE)
        assert "<@UBO>, its lead, can roll it back: on its card" in await team.says(
            "ana", Cancel("shop-1")
        )
        async with team.database.store.transaction() as tx:
            await tx.put_in_quarantine(
                "shop", "a" * 40, reason="leaks", by=PEOPLE["bo"], at=team.context.now()
            )
        assert await team.says("ana", Cancel("shop-1")) == (
            "shop v2 → production has been verified already, and it cannot "
            "be rolled back from here: "
            "v1 was verified here and is quarantined, and there is no other version, so there "
            "is nothing to go back to."
        )


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize(
    ("reason", "because"), [("carts are lost", ": carts are lost"), ("", " · no reason was given")]
)
async def test_history_says_who_rolled_back_and_why(team: Team, reason: str, because: str) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason=reason))
    await team.passes(MINUTE)
    newest, before, *_ = (await team.says("ana", History("shop", "production"))).split("\n")[1:]
    assert newest.endswith(f"rollback to *v1* · done, by <@UBO> (shop-3, undoes shop-2){because}")
    why = f" · why rolled back: {reason}" if reason else ""
    assert before.endswith(
        f"*v2* · rolled back by <@UBO>, before that healthy · asked for by <@UANA> (shop-2){why}"
    )


@pytest.mark.case("card-and-people-9", "card-and-people-12")
async def test_the_history_takes_the_reason_of_a_rollback_for_no_reason_of_the_request(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2", reason="the countdown"))
    await swift.passes(4 * MINUTE)
    await swift.says("bo", RollBack(deployment="shop-1", reason="carts are lost"))
    await swift.passes(MINUTE)
    newest, before, *_ = (await swift.says("ana", History("shop", "production"))).split("\n")[1:]
    assert newest.endswith("by <@UBO> (shop-2, undoes shop-1): carts are lost")
    assert before.endswith(
        "asked for by <@UANA> (shop-1): the countdown · why rolled back: carts are lost"
    )


@pytest.mark.case("card-and-people-12")
async def test_the_retrospective_says_what_it_leaves_out_and_calls_items_by_their_titles(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    await team.says("cy", Tick(v2, ("support",)))
    await team.says("cy", Tick(v2, ("support",)))
    await team.says("cy", Tick(v2, (), ("support",)))
    await team.clears(v2)
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    (said,) = await team.said("retrospective")
    told = [line.partition(" UTC ")[2] for line in said.splitlines() if "UCY" in line]
    assert told == [
        "ticked by UCY: support briefed", "taken back by UCY: support briefed",
        "ticked by UCY: support briefed",
    ]  # fmt: skip
    assert "entries" not in said


@pytest.mark.case("card-and-people-12")
async def test_a_long_retrospective_says_that_it_is_not_whole(team: Team) -> None:
    v2 = await team.asks_for_v2()
    for _ in range(10):
        await team.says("cy", Tick(v2, ("support",)))
        await team.says("cy", Tick(v2, (), ("support",)))
    await team.clears(v2)
    await team.passes(MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    (said,) = await team.said("retrospective")
    assert "… 6 entries left out here; gonogo audit export --deployment shop-2 has all" in said
    assert said.rstrip().endswith("the version before was back")


async def test_a_watch_that_was_taken_up_after_a_failed_rollback_is_not_called_rolled_back(
    team_with: Any,
) -> None:
    free: dict[str, Any] = {
        "gates": (),
        "checklist": (),
        "approvals": (),
        "after": "",
        "strategy": "rolling",
        "watch": 20 * MINUTE,
    }
    async with team_with(**free, automatic_rollback=AutomaticRollback.OFF) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.ends["rollback"] = RunState.FAILED
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v2", "seen"))
        await team.passes()
        assert (await team.deployment("shop-1")).state is State.WATCHING
        told = (await team.says("ana", History("shop", "production"))).splitlines()
        line = next(line for line in told if "*v2*" in line and "(shop-1)" in line)
        assert "watching, healthy" in line


async def test_a_summary_says_what_is_so_when_it_is_posted(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(2 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await swift.passes()
    await summaries.after_deployment(swift.context, "shop-1")
    (message,) = [message for message in await swift.outbox() if message.template == "summary"]
    assert ": rolling back, before that healthy" in swift.reads(message)
    swift.ci.ends["rollback"] = RunState.SUCCEEDED
    await swift.passes(5 * MINUTE)
    now = await timely.still_true(swift.context, message)
    assert now is not None
    assert ": rolled back, before that healthy" in swift.reads(now)
