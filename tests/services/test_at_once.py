"""What comes while something else is looked at: of two who change one thing at once, each is
told what holds in the end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.audit import Entry
from bot.domain.catalog import ChecklistItem
from bot.domain.commands import (
    Approve,
    Cancel,
    Command,
    Deploy,
    HandOver,
    History,
    RollBack,
    Status,
    TakeOver,
    Tick,
)
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.people import Person
from tests.services.conftest import BAD, COMMITS, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)
LEADS = "and alone can roll it back"


def says(team: Team, name: str, command: Command, answers: list[str]) -> Any:
    """Have somebody say something later, and keep what they read."""

    async def say() -> None:
        answers.append(await team.says(name, command))

    return say


@pytest.mark.case("races-12")
async def test_whoever_hands_a_lead_over_while_another_takes_it_is_told_that(team: Team) -> None:
    answers: list[str] = []
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.rota.person = PEOPLE["di"]
    team.workspace.during = says(team, "di", TakeOver(v2, "bo is away"), answers)
    said = await team.says("bo", HandOver(v2, "UANA"))
    assert "You alone can roll it back." in answers[0]
    assert said == (
        "<@UDI> has become the lead of shop v2 → production while yours was looked at; nothing "
        "was changed. Say it again if it still holds."
    )
    assert (await team.deployment(v2)).lead == PEOPLE["di"]
    assert LEADS in await team.says("bo", HandOver(v2, "UANA")), (
        "whoever may hand over any lead still may, knowing who leads"
    )


@pytest.mark.case("races-12")
async def test_whoever_takes_a_lead_over_while_it_is_handed_over_is_told_that(team: Team) -> None:
    answers: list[str] = []
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.rota.person = PEOPLE["di"]
    team.rota.during = says(team, "bo", HandOver(v2, "UCY"), answers)
    said = await team.says("di", TakeOver(v2, "bo is away"))
    assert LEADS in answers[0]
    assert said.startswith(
        "<@UCY> has become the lead of shop v2 → production while yours was looked "
        "at; nothing was changed."
    )
    assert (await team.deployment(v2)).lead == PEOPLE["cy"]


@pytest.mark.case("races-12")
async def test_two_who_give_a_lead_to_the_same_person_hear_that_it_is_theirs_already(
    team: Team,
) -> None:
    answers: list[str] = []
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.workspace.during = says(team, "di", HandOver(v2, "UANA"), answers)
    assert (
        await team.says("bo", HandOver(v2, "UANA"))
        == "<@UANA> leads shop v2 → production already; nothing was changed."
    )


TWO = (
    ChecklistItem("db", "database looked at", "support"),
    ChecklistItem("support", "support briefed", "support"),
)


@pytest.mark.case("races-18")
@pytest.mark.parametrize(
    ("older", "says"),
    [
        (Tick("shop-1", ("support",)), "2 items of yours are ticked"),
        (Tick("shop-1", (), ("db",)), "None of your items is ticked"),
        (Tick("shop-1", (), ("support",)), "1 item of yours is ticked"),
        (Tick("shop-1", ()), "1 item of yours is ticked"),
        (Tick("shop-1", ("db",)), "1 item of yours is ticked"),
    ],
)
async def test_an_answer_to_ticks_counts_what_is_ticked_now_and_not_what_the_dialog_held(
    team_with: Any, older: Tick, says: str
) -> None:
    async with team_with(gates=(), checklist=TWO) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("cy", Tick("shop-1", ("db",)))
        assert says in await team.says("cy", older)


@pytest.mark.case("races-18")
async def test_what_another_has_ticked_of_ones_items_is_counted(team_with: Any) -> None:
    async with team_with(gates=(), checklist=TWO) as team:
        support = team.context.catalog.roles["support"]
        team.context.catalog.roles["support"] = replace(
            support, people=support.people | {PEOPLE["bo"]}
        )
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("bo", Tick("shop-1", ("db",)))
        assert "2 items of yours are ticked" in await team.says("cy", Tick("shop-1", ("support",)))


async def test_a_look_through_the_checklist_that_changes_nothing_is_no_event(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("cy", Tick(v2, ("support",)))
    for _ in range(3):
        assert "1 item of yours is ticked" in await team.says(
            "cy", Tick(v2, ("support",), ("support",))
        )
    assert (await team.audited(v2)).count("tick") == 1


@pytest.mark.case("races-22")
@pytest.mark.parametrize("ref", ["v9", "v1", "v2"])
async def test_what_is_cancelled_while_its_ref_is_looked_up_becomes_nothing_else(
    team: Team, ref: str
) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "production", ref))
    answers: list[str] = []
    team.ci.away = False
    team.ci.during[f"resolve {ref}"] = says(team, "ana", Cancel("shop-1"), answers)
    await team.passes(MINUTE)
    assert "is cancelled" in answers[0]
    assert (await team.deployment("shop-1")).state is State.CANCELLED
    assert (await team.audited("shop-1"))[-1] == "cancel", (
        "neither impossible nor pinned afterwards"
    )


@pytest.mark.case("races-30")
async def test_a_comparison_that_fails_after_a_rollback_leaves_none_with_another_base(
    team_with: Any,
) -> None:
    async with team_with(
        gates=(),
        checklist=(),
        after="",
        strategy="rolling",
        watch=MINUTE,
        lock_after_rollback=False,
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await team.says("bo", Approve("shop-1"))
        await team.passes(4 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        assert "faster basket" in await team.shown("shop-2")
        await team.rolls_back("bo", RollBack("shop", "production", reason="slow"))
        compares_no_more(team, "compare a c")
        compares_no_more(team, "compare c a")
        await team.passes(3 * MINUTE)
        async with team.database.store.reading() as reader:
            changes = await reader.changes("shop-2")
        assert (await team.deployment("shop-2")).base_commit == COMMITS["v1"]
        assert changes is not None
        assert (changes.base, changes.known, changes.commits) == (COMMITS["v1"], False, ())
        assert "faster basket" not in await team.shown("shop-2")


def compares_no_more(team: Team, question: str) -> None:
    """Have a comparison fail from now on."""

    async def fails() -> None:
        compares_no_more(team, question)
        raise IntegrationError("no answer", vendor="the CI")

    team.ci.during[question] = fails


@pytest.mark.case("races-34")
async def test_nothing_is_ticked_of_what_is_cancelled_while_the_roles_are_looked_up(
    team: Team,
) -> None:
    answers: list[str] = []
    v2 = await team.asks_for_v2()
    support = team.context.catalog.roles["support"]
    team.context.catalog.roles["support"] = replace(
        support, people=support.people | {PEOPLE["ana"]}
    )
    team.workspace.during = says(team, "bo", Cancel(v2), answers)
    said = await team.says("ana", Tick(v2, ("support",)))
    assert "is cancelled" in answers[0]
    assert said == "shop v2 → production was cancelled already; its checklist is closed."
    async with team.database.store.reading() as reader:
        assert await reader.marks(v2) == ()


@pytest.mark.case("structure-3")
async def test_a_degradation_is_told_once_however_long_the_log_is(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    async with team.context.store.transaction() as tx:
        for number in range(250):
            await tx.audit(
                Entry(
                    team.context.now(), PEOPLE["bo"], "tick", v2, facts={"keys": [f"item:{number}"]}
                )
            )
    team.numbers.new = replace(BAD, numerator=40)
    team.context.catalog.services["shop"].environments["production"] = replace(
        team.context.policy("shop", "production"), countdown=30 * MINUTE
    )
    await team.passes(20 * MINUTE)
    async with team.database.store.reading() as reader:
        actions = [entry.action for entry in await reader.entries(v2, limit=1000)]
    assert (actions.count("degraded"), actions.count("countdown")) == (1, 1)
    assert len(await team.said("degraded")) == 1


@pytest.mark.case("card-and-people-6")
@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("v9", "there is no v9"),
        ("v1", "v1 is live in production already, so there is nothing to deploy."),
        ("v2", "shop-1 brings v2 to production already."),
        ("v3", "v3 is quarantined: rolled back: errors."),
        ("previous", "There is no previous version that was verified here."),
    ],
)
async def test_a_refusal_leaves_no_card_no_message_and_no_line_in_the_history(
    team: Team, ref: str, says: str
) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v3"],
            reason="rolled back: errors",
            by=Person("T1", "UBO"),
            at=team.context.now(),
        )
    before = (
        await team.said(),
        await team.says("cy", History("shop")),
        await team.says("cy", Status()),
    )
    assert says in await team.says("ana", Deploy("shop", "production", ref))
    await team.passes()
    assert before == (
        await team.said(),
        await team.says("cy", History("shop")),
        await team.says("cy", Status()),
    )
    async with team.database.store.reading() as reader:
        assert [each.id for each in await reader.history("shop", limit=10)] == ["shop-1"]
