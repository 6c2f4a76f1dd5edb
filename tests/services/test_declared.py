"""What is live on somebody's word: asked for where nobody can know, shown with what it goes
against, and called what it is ever after.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.changes import Changes
from bot.domain.commands import (
    Check,
    Deploy,
    History,
    Lock,
    Quarantine,
    RollBack,
    SayLive,
    Status,
    Unlock,
)
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import State
from bot.domain.live import Live
from bot.domain.places import Doubt, Unclear
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import RunState
from bot.ports.talk import Message
from bot.services.endings import ended
from tests.services.conftest import BAD, COMMITS, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)
HOSTS = "I looked at all hosts"

SEEN = (
    "Requests of the last 5 min, and what of all has come in the last minute:\n"
    "• v1: 1,000, 50 % in the last minute\n• v2 (bbbbbbb): 1,000, 50 % in the last minute"
)


async def unclear(
    team: Team, environment: str = "production", why: str = "the database was put back from a copy"
) -> None:
    """Have nobody know what is live in an environment."""
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", environment, Doubt(Unclear.RESTORED, why, team.context.now()))


async def live(team: Team, environment: str = "production") -> Live:
    async with team.database.store.reading() as reader:
        found = await reader.live("shop", environment)
    assert isinstance(found, Live)
    return found


@pytest.mark.case("reliability-7")
async def test_nobodys_word_is_taken_while_it_is_known_what_is_live(team: Team) -> None:
    said = await team.says("bo", SayLive("shop", "production", "v3", HOSTS))
    assert said.startswith(
        "v1 is live in shop production, as it was declared, and nothing has made that unclear, "
        "so nobody's word is needed"
    )
    assert "put v1 back by hand, or deploy another version: /deploy shop REF to production." in said
    pressed = SayLive("shop", "production", COMMITS["v3"], HOSTS, "00000000", "v3")
    assert "so nobody's word is needed" in await team.says("bo", pressed), (
        "the button of an older dialog is no way around it"
    )
    assert (await live(team)).version == "v1"
    assert await team.said("said_live") == []


@pytest.mark.case("reliability-7")
async def test_the_dialog_shows_what_is_recorded_what_the_metrics_see_and_how_the_last_run_ended(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await unclear(swift)
    shown = await swift.says("bo", SayLive("shop", "production", "v1", HOSTS))
    assert shown.startswith(
        "Say that *v1* is live in shop production?\nRecorded last: v2 since 2026-11-21 02:0"
    )
    assert "(shop-1; the CI provider says of its last run: succeeded)." in shown
    assert "It is unclear what runs: the database was put back from a copy." in shown
    assert SEEN in shown
    assert f"Reason: {HOSTS}" in shown
    assert "Nothing is done before the button is pressed." in shown
    assert (await live(swift)).version == "v2", "the dialog changes nothing"


@pytest.mark.case("reliability-7")
async def test_it_is_said_in_the_channel_with_name_and_reason_and_what_it_went_against(
    team: Team,
) -> None:
    await unclear(team)
    _, answer = await team.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
    assert answer == "*v2* counts as live in shop production, on your word: I looked at all hosts."
    (said,) = await team.said("said_live")
    assert said.startswith(
        "<@UBO> says that *v2* is live in shop production: I looked at all "
        "hosts. Recorded before: v1. "
    )
    assert said.endswith("It was unclear: the database was put back from a copy.")


@pytest.mark.case("reliability-7")
async def test_the_word_is_bound_to_what_the_dialog_showed(team: Team) -> None:
    await unclear(team)
    key = "typed"
    await team.says("bo", SayLive("shop", "production", "v2", HOSTS), key=key)
    async with team.database.store.reading() as reader:
        offer = (await reader.kept(key)).offers[0]
    await team.passes(MINUTE)
    await unclear(team, why="the rollback failed as well")
    assert "has changed since it was shown to you" in await team.says(
        "bo", AT_ONCE[Action.SAY_LIVE](offer.deployment, offer.carries)
    )
    assert (await live(team)).version == "v1"


async def test_what_is_quarantined_can_be_said_to_be_live_because_it_may_be_true_and_everybody_reads_that_it_is(
    team: Team,
) -> None:
    await team.says("bo", Quarantine("shop", "v2", "it forgets carts"))
    await unclear(team)
    shown, answer = await team.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
    assert (
        "v2 is quarantined: it forgets carts. Saying that it is live does not lift that." in shown
    )
    assert answer.endswith("It stays quarantined.")
    assert (
        "v2 is quarantined: it forgets carts. It stays there until another version is deployed."
        in (await team.said("said_live"))[0]
    )
    said = await team.says("ana", Status())
    assert (
        "v2 is *quarantined*: it forgets carts. It stays live until another version is deployed"
        in said
    )
    async with team.database.store.reading() as reader:
        assert [
            each.version for each in await reader.releases("shop", "production", limit=None)
        ] == ["v1"], "nothing goes back to it"


@pytest.mark.case("reliability-7")
async def test_what_was_only_said_is_shown_as_such_wherever_it_is_shown(team: Team) -> None:
    await unclear(team, "staging")
    await team.says_live("bo", SayLive("shop", "staging", "v2", HOSTS))
    status = await team.says("ana", Status())
    assert (
        "*shop staging*: v2 live on the word of <@UBO>, said 2026-11-21 02:00 "
        "UTC: I looked at all hosts"
    ) in status
    history = await team.says("ana", History("shop", "staging"))
    assert "*v2* · said to be live by <@UBO>: I looked at all hosts" in history
    checked = await team.says("ana", Check("shop", "production", "v2"))
    assert (
        "○ live and verified on staging: v2 was never verified on staging, only said to "
        "be live there, by <@UBO>"
    ) in checked
    assert "the lead's word" not in status + history + checked


async def test_what_an_operator_adopted_stands_in_the_history(team: Team) -> None:
    now = team.context.now()
    adopted = Declared("shop", "production", COMMITS["v1"], "v1", Origin.ADOPTED, PEOPLE["bo"], now)
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "production",
                COMMITS["v1"],
                "v1",
                now,
                "",
                PEOPLE["bo"],
                now,
                declared=adopted,
            )
        )
    said = await team.says("ana", History("shop"))
    assert "*v1* in production · live before Go/No-Go came, adopted by an operator" in said
    assert "Nothing has been deployed" not in said


@pytest.mark.case("reliability-7")
async def test_no_old_card_is_live_and_healthy_again_because_somebody_said_so(swift: Team) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    await unclear(swift)
    await swift.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
    old, newer = await swift.shown("shop-1"), await swift.shown("shop-2")
    assert "was live from 2026-11-21 02:00 UTC; v2 is live again only on the word of <@UBO>" in old
    assert "live and healthy" not in old
    assert "Roll back to" not in old
    assert "<@UBO> said 2026-11-21 02:08 UTC that v2 was live instead" in newer
    said = await swift.says("bo", RollBack("shop", "production", reason="x"))
    assert said.startswith("Roll shop in production back from v2 to *v1*?"), (
        "what is there can be made to go all the same"
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_deploying_what_was_only_said_to_be_live_proves_it(swift: Team, version: str) -> None:
    await unclear(swift)
    await swift.says_live("bo", SayLive("shop", "production", version, HOSTS))
    assert "already, so there is nothing to deploy" not in await swift.says(
        "ana", Deploy("shop", "production", version)
    )
    await swift.passes(4 * MINUTE)
    found = await live(swift)
    assert (found.deployment, found.declared) == ("shop-1", None)
    assert found.verified_at is not None


@pytest.mark.case("reliability-7")
async def test_what_is_said_of_the_very_version_that_is_recorded_keeps_its_deployment_and_its_proof(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await unclear(swift)
    shown, _ = await swift.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
    assert "Recorded last: v2 since" in shown
    assert ", the same." in shown
    found = await live(swift)
    assert (found.deployment, found.by) == ("shop-1", PEOPLE["ana"])
    assert found.verified_at is not None
    assert "v2 live on the word of <@UBO>" in await swift.says("ana", Status())
    assert "brought there by <@UANA> (shop-1)" in await swift.says("ana", Status())
    assert "live and healthy since" in await swift.shown("shop-1")


async def test_what_is_watched_ends_when_somebody_says_that_something_else_is_live(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(20 * MINUTE)
    assert (await team.deployment(v2)).state is State.WATCHING
    await unclear(team)
    await team.says_live("bo", SayLive("shop", "production", "v1", HOSTS))
    await team.passes(120 * MINUTE)
    assert (await team.deployment(v2)).state is State.SUPERSEDED
    assert (await live(team)).version == "v1"


@pytest.mark.case("structure-9")
async def test_whether_somebody_may_say_it_is_asked_before_the_version_is_looked_up(
    team: Team,
) -> None:
    said = await team.says("ana", SayLive("shop", "production", "v9.9.9", HOSTS))
    assert said.startswith(
        "You cannot say what is live in shop production. People with the role "
        "release manager can. Now: <@U"
    )


async def test_the_providers_may_say_nothing(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await unclear(swift)
    swift.numbers.new = None
    assert "• v1: none seen" in await swift.says("bo", SayLive("shop", "production", "v1", HOSTS))
    swift.ci.ends = dict.fromkeys(("deploy", "smoke"), RunState.LOST)
    assert "says of its last run: lost" in await swift.says(
        "bo", SayLive("shop", "production", "v1", HOSTS)
    )


@pytest.mark.case("reliability-7")
async def test_a_rollback_of_what_was_only_said_to_be_live_says_whose_word_it_is_and_what_to_do(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await unclear(swift)
    await swift.says_live("bo", SayLive("shop", "production", "v3", HOSTS))
    instead = (
        "v3 is live there on the word of <@UBO>. To put another version there: "
        "/deploy shop REF to production."
    )
    for command in (
        RollBack("shop", "production", reason="x"),
        RollBack(deployment="shop-1", reason="x"),
    ):
        assert (await swift.says("bo", command)).endswith(
            f"so there is nothing to roll back. {instead}"
        )


@pytest.mark.case("reliability-7")
async def test_the_card_of_what_failed_says_who_said_that_it_is_live_all_the_same(
    swift: Team,
) -> None:
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.FAILED
    await swift.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
    alarm = Message("shop-1:failed", "failed", {}, "shop-1")
    end = await ended(swift.context, alarm)
    assert end is not None
    assert end.sentence == "<@UBO> has said that v2 was live there.", (
        "nobody is asked to roll it back any more"
    )
    shown = await swift.shown("shop-1")
    assert "FAILED* at 100 % · <@UBO> said 2026-11-21 02:" in shown.splitlines()[0]
    assert "that v2 is live all the same" in shown.splitlines()[0]
    assert Action.ROLL_BACK in (await swift.card("shop-1")).actions, (
        "what the command takes, the card does"
    )


async def test_a_rollback_of_what_was_adopted_says_that_it_was_there_before(team: Team) -> None:
    now = team.context.now()
    adopted = Declared("shop", "production", COMMITS["v1"], "v1", Origin.ADOPTED, PEOPLE["bo"], now)
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live("shop", "production", COMMITS["v1"], "v1", now, "", PEOPLE["bo"], declared=adopted)
        )
    said = await team.says("bo", RollBack("shop", "production", reason="x"))
    assert said.endswith(
        "v1 was live there before Go/No-Go came. To put another version there: "
        "/deploy shop REF to production."
    )


@pytest.mark.case("races-2")
async def test_whoever_has_gone_back_by_the_migrations_own_plan_says_so_and_the_rollout_ends(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.ci.changes = Changes(total=1, files=("migrations/7.sql",))
    async with team.database.store.transaction() as tx:
        await tx.save_way_back(
            v2,
            Way(
                COMMITS["v2"],
                COMMITS["v1"],
                Passage.MIGRATION,
                "migrations/7.sql",
                Changes(total=1),
            ),
        )
    assert "is under way" in await team.says("bo", SayLive("shop", "production", "v1", HOSTS)), (
        "its numbers are good"
    )
    team.numbers.new = BAD
    await team.passes(5 * MINUTE)
    assert Action.ROLL_BACK not in (await team.card(v2)).actions
    shown, _ = await team.says_live(
        "bo", SayLive("shop", "production", "v1", "the column is dropped")
    )
    assert "no button goes back over migrations/7.sql" in shown
    assert (await team.deployment(v2)).state is State.FAILED
    assert (await live(team)).version == "v1"


async def test_a_version_that_was_rolled_back_once_and_verified_since_can_be_gone_back_to(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(10 * MINUTE)
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(10 * MINUTE)
    async with swift.database.store.reading() as reader:
        assert "v2" not in [each.version for each in await reader.releases("shop", "production")]
        locks = await reader.locks("shop", "production")
    async with swift.database.store.transaction() as tx:
        for lock in locks:
            await tx.remove_lock(lock)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(10 * MINUTE)
    async with swift.database.store.reading() as reader:
        assert "v2" in [each.version for each in await reader.releases("shop", "production")]


@pytest.mark.case("races-2")
async def test_the_dialog_names_the_migrations_that_the_word_passes_over(swift: Team) -> None:
    swift.ci.changes = Changes(total=2, files=("migrations/7.sql", "migrations/8.sql", "basket.py"))
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    shown = await swift.says("bo", SayLive("shop", "production", "v1", HOSTS))
    assert (
        "*Database migrations may be there that* v1 *has not*: "
        "migrations/7.sql and migrations/8.sql."
    ) in shown
    assert "after your word nothing asks about them any more." in shown
    assert "migrations" not in await swift.says("bo", SayLive("shop", "production", "v2", HOSTS)), (
        "what it brings itself is no step back"
    )


@pytest.mark.case("races-2")
async def test_the_dialog_says_where_nobody_could_compare(swift: Team) -> None:
    swift.ci.ends["deploy"] = RunState.FAILED
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.changes = Changes(known=False)
    shown = await swift.says("bo", SayLive("shop", "production", "v1", HOSTS))
    assert "Whether a database migration is there that v1 has not is not known" in shown


@pytest.mark.case("trust-3")
async def test_the_button_is_bound_to_the_name_of_the_version_too(team: Team) -> None:
    await unclear(team)
    shown = token_of(
        await team.says("bo", SayLive("shop", "production", "v1", HOSTS), key="typed"),
        await kept(team, "typed"),
    )
    forged = SayLive("shop", "production", COMMITS["v1"], HOSTS, shown, "v2")
    assert "has changed since it was shown to you" in await team.says("bo", forged)
    assert "counts as live" in await team.says("bo", replace(forged, version="v1"))


async def kept(team: Team, key: str) -> str:
    """Give what the button of an answer carries."""
    async with team.database.store.reading() as reader:
        answer = await reader.kept(key)
    assert answer is not None
    return str(answer.offers[0].carries)


def token_of(dialog: str, carries: str) -> str:
    assert "Say that *v1* is live" in dialog
    return carries.partition(" ")[0]


@pytest.mark.case("trust-6")
@pytest.mark.parametrize("reason", ["x" * 501, "turned \u202e round", "two\nlines"])
@pytest.mark.parametrize(
    "command",
    [SayLive("shop", "production", COMMITS["v1"], "", "0", "v1"), RollBack(deployment="shop-1")],
)
async def test_a_reason_is_checked_the_same_at_every_door(
    swift: Team, command: Any, reason: str
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", replace(command, reason=reason))
    assert said.startswith(
        ("A reason may have 500 characters", "The reason contains an invisible character")
    )
    assert (await swift.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("card-and-people-2")
async def test_a_version_that_somebody_said_is_live_while_it_was_watched_ends_as_said(
    team_with: Any,
) -> None:
    free: dict[str, Any] = {
        "gates": (),
        "checklist": (),
        "approvals": (),
        "after": "",
        "strategy": "rolling",
        "watch": 10 * MINUTE,
    }
    async with team_with(**free) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(4 * MINUTE)
        await unclear(team)
        await team.says_live("bo", SayLive("shop", "production", "v2", HOSTS))
        await team.passes(20 * MINUTE)
        ended_as = await team.deployment("shop-1")
        assert (ended_as.state, ended_as.accepted) == (State.ACCEPTED, "on somebody's word")
        found = await live(team)
        assert (found.verified_at, found.accepted, found.deployment) == (
            None,
            "on somebody's word",
            "shop-1",
        )
        assert found.declared is not None
        assert found.declared.reason == HOSTS
        assert "v2 live on the word of <@UBO>" in await team.says("ana", Status())
        assert (await team.says("ana", History("shop"))).count(HOSTS) == 1
        assert "is live in production already" not in await team.says(
            "ana", Deploy("shop", "production", "v2")
        ), "deploying it proves it"


@pytest.mark.case("reliability-7")
async def test_what_was_verified_before_and_is_only_said_to_be_live_opens_no_gate_until_it_is_proved_again(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert "✓ live and verified on staging" in await team.says(
        "ana", Check("shop", "production", "v2")
    )
    team.ci.ends["deploy"] = RunState.FAILED
    await team.says("ana", Deploy("shop", "staging", "v3"))
    await team.passes(5 * MINUTE)
    await team.says_live("bo", SayLive("shop", "staging", "v2", "I guess"))
    checked = await team.says("ana", Check("shop", "production", "v2"))
    said = "v2 was verified on staging before, and is only said to be live there now, by <@UBO>"
    assert f"○ live and verified on staging: {said}" in checked
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert "✓ live and verified on staging" in await team.says(
        "ana", Check("shop", "production", "v2")
    )


async def test_a_version_that_is_to_come_to_the_environment_before_is_named_with_what_keeps_it(
    team: Team,
) -> None:
    await team.says("bo", Lock("shop", "staging", "load test"))
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes()
    checked = await team.says("ana", Check("shop", "production", "v2"))
    assert "shop-1 is to bring v2 there, and waits for its gates (not locked)" in checked
    await team.says("bo", Unlock("shop", "staging"))
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.passes(MINUTE)
    assert "shop-1 is bringing v2 there" in await team.says(
        "ana", Check("shop", "production", "v2")
    )
