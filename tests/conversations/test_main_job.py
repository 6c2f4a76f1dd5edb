"""The main job, as conversations through the real HTTP stack, on every CI provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversations.vendors import VENDORS

if TYPE_CHECKING:
    from tests.conversations.conftest import World

pytestmark = pytest.mark.parametrize("ci", VENDORS)
ANA, BO, CY, DI = "U0ANA", "U0BO", "U0CY", "U0DI"


async def test_a_release_walks_through_gates_approval_and_canary_and_is_verified(
    world: World,
) -> None:
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    await world.reply(ANA, "*storefront v1.1.0 → production* is asked for as storefront-")
    await world.clear("v1.1.0")
    await world.card("storefront v1.1.0 → production", "live and healthy")
    assert world.started() == [f"{world.commits['v1.1.0']} 5", f"{world.commits['v1.1.0']} 100"]
    await world.card("Summary", "storefront v1.1.0")


async def test_errors_in_the_canary_stop_the_rollout_and_the_lead_alone_rolls_back(
    world: World,
) -> None:
    await world.deploy("v1.1.0", "production")
    await world.deploy("v1.2.0", "staging")
    world.service.bad.add("v1.2.0")
    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    await world.clear("v1.2.0")
    card = await world.card("storefront v1.2.0 → production", "DEGRADED")

    await world.clicks(ANA, card, "roll_back")
    refusal = await world.reply(ANA, "Only <@U0BO>, the deployment lead, can roll this back.")
    assert "gonogo.ask_lead" in str(refusal["blocks"])
    alarm = await world.card("storefront v1.2.0 → production*: *degraded*", "please look")
    await world.clicks(CY, alarm, "roll_back")
    await world.reply(CY, "Only <@U0BO>, the deployment lead, can roll this back.")

    await world.clicks(BO, alarm, "roll_back")
    await world.clicks(BO, card, "roll_back")  # a second click is quiet
    await world.card("storefront v1.2.0 → production", "rolled back to v1.1.0")
    assert world.started()[-1].startswith(world.commits["v1.1.0"])
    assert sum(line.startswith(world.commits["v1.1.0"]) for line in world.started()) == 3, (
        "v1.1.0: canary 5, canary 100, one rollback"
    )

    over = await world.card(
        "storefront v1.2.0 → production", "It was rolled back to v1.1.0 by <@U0BO>.", "*degraded*"
    )
    assert over["ts"] == alarm["ts"]
    assert "gonogo." not in str(over["blocks"])

    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    await world.reply(ANA, "v1.2.0 is quarantined: its rollback from production began")
    await world.says(ANA, "/deploy locks")
    await world.reply(ANA, "v1.2.0 was rolled back")


async def test_a_failed_smoke_test_rolls_back_without_asking(world: World) -> None:
    await world.deploy("v1.1.0", "production")
    (world.repository / "deploy.sh").write_text("exit 0 # v1.4.0\n")
    world.commit("v1.4.0")
    world.vendor.fail_smoke(world.commits["v1.4.0"], "production")
    await world.deploy("v1.4.0", "staging")
    await world.says(ANA, "/deploy storefront v1.4.0 to production")
    await world.clear("v1.4.0")
    await world.card("storefront v1.4.0 → production", "rolled back to v1.1.0")
    assert world.started()[-2:] == [
        f"{world.commits['v1.4.0']} 5",
        f"{world.commits['v1.1.0']} 100",
    ]


async def test_nobody_approves_their_own_deployment_or_without_the_role(world: World) -> None:
    await world.says(CY, "/deploy storefront v1.1.0 to production")
    await world.reply(
        CY, "could never go: it needs 1 approval by somebody with the role release manager"
    )
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    card = await world.card("storefront v1.1.0 → production", "not ready")
    await world.clicks(BO, card, "acknowledge")
    await world.clicks(DI, card, "tick")
    await world.slack.until(lambda: list(world.slack.state.views.values()))
    await world.slack.submits(DI, "gonogo.tick_form", {"gonogo.field.items": ["support-briefed"]})
    card = await world.card("storefront v1.1.0 → production", "waiting for")
    await world.clicks(DI, card, "approve")
    await world.reply(DI, "You cannot approve")
    assert world.started() == []


async def test_production_waits_for_staging_and_goes_on_by_itself(world: World) -> None:
    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    card = await world.card("storefront v1.2.0 → production", "not ready")
    await world.clicks(ANA, card, "deploy_first")
    await world.card("storefront v1.2.0 → staging", "live and healthy")
    await world.clear("v1.2.0")
    await world.card("storefront v1.2.0 → production", "live and healthy")


async def test_whatever_comes_twice_is_done_once(world: World) -> None:
    world.slack.faults.copies = 2
    await world.deploy("v1.1.0", "production")
    assert world.started() == [f"{world.commits['v1.1.0']} 5", f"{world.commits['v1.1.0']} 100"]
    cards = [
        m
        for m in world.slack.state.channels["C0DEPLOYS"].messages
        if m["text"].startswith("*storefront v1.1.0 → production* · live and")
    ]
    assert len(cards) == 1


async def test_a_restart_in_the_middle_goes_on_and_starts_nothing_twice(world: World) -> None:
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    await world.clear("v1.1.0")
    await world.card("storefront v1.1.0 → production", "canary 5 %")
    await world.stop_bot()
    await world.start_bot()
    await world.card("storefront v1.1.0 → production", "live and healthy")
    assert world.started()[-1] == f"{world.commits['v1.1.0']} 100"
    assert len(world.started()) in {2, 3}, (
        "a run that was cut off may be started again, never beside itself"
    )


async def test_slack_being_away_delays_the_view_and_nothing_else(world: World) -> None:
    await world.says(ANA, "/deploy storefront v1.2.0 to staging")
    await world.card("storefront v1.2.0 → staging")
    world.slack.faults.away_until = float("inf")
    while not world.started():
        await world.slack.delivery.session.get(f"{world.slack.url}/sandbox/state")
    world.slack.faults.away_until = 0.0
    await world.card("storefront v1.2.0 → staging", "live and healthy")


async def test_ci_being_away_delays_what_was_asked_for_and_nothing_is_lost(world: World) -> None:
    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    await world.card("storefront v1.2.0 → production", "not ready")
    world.vendor.go_away()
    await world.says(CY, "/deploy storefront v1.2.0 to staging")
    await world.card("storefront v1.2.0 → staging", "looking up v1.2.0")
    world.vendor.come_back()
    await world.card("storefront v1.2.0 → staging", "live and healthy")
    await world.clear("v1.2.0")
    await world.card("storefront v1.2.0 → production", "live and healthy")


async def test_a_lock_holds_deployments_until_it_is_taken_away(world: World) -> None:
    await world.says(ANA, "/deploy lock storefront staging because data migration <!channel>")
    await world.reply(ANA, "locked", "data migration")
    await world.says(ANA, "/deploy storefront v1.2.0 to staging")
    await world.card("storefront v1.2.0 → staging", "not ready")
    await world.says(ANA, "/deploy unlock storefront staging")
    await world.card("storefront v1.2.0 → staging", "live and healthy")
    assert "<!channel>" not in str(world.slack.state.ephemerals)


async def test_a_request_can_be_taken_back_and_the_next_one_gets_its_turn(world: World) -> None:
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    first = await world.card("storefront v1.1.0 → production", "not ready")
    await world.says(ANA, "/deploy storefront v1.2.0 to production")
    await world.card("storefront v1.2.0 → production", "queued behind storefront-1")
    await world.clicks(ANA, first, "cancel")
    await world.card("storefront v1.1.0 → production", "cancelled")
    await world.card("storefront v1.2.0 → production", "not ready")


async def test_unknown_words_get_the_nearest_match_for_the_person_alone(world: World) -> None:
    await world.says(ANA, "/deploy stauts")
    await world.reply(ANA, "Did you mean status?")
    await world.says(ANA, "/deploy storefrnt v1.1.0 to production")
    await world.reply(ANA, "Did you mean storefront?")
    await world.says(DI, "/deploy storefront v1.1.0 to staging")
    await world.reply(DI, "You cannot ask for a deployment")
    assert [
        m for m in world.slack.state.channels["C0DEPLOYS"].messages if "storefront" in m["text"]
    ] == []


async def test_status_history_check_and_help_answer(world: World) -> None:
    await world.says(ANA, "/deploy status")
    await world.reply(ANA, "v1.0.0")
    await world.says(ANA, "/deploy check storefront v1.1.0 to production")
    await world.reply(ANA, "storefront v1.1.0 → production")
    await world.says(ANA, "/deploy history storefront")
    await world.reply(ANA, "storefront")
    await world.says(ANA, "/deploy help rollback")
    await world.reply(ANA, "/rollback")


async def test_the_lead_hands_over_and_only_the_new_lead_counts(world: World) -> None:
    await world.deploy("v1.1.0", "production")
    await world.says(BO, "/deploy lead storefront-1 <@U0CY>")
    await world.reply(BO, "leads *storefront v1.1.0")
    await world.says(BO, "/rollback storefront production because second thoughts")
    await world.reply(BO, "Only <@U0CY>, the deployment lead, can roll this back.")
    await world.says(CY, "/rollback storefront production because second thoughts")
    dialog = await world.reply(
        CY,
        "Roll storefront in production back from v1.1.0 to *v1.0.0*?",
        "Nothing is done before the button is pressed.",
    )
    await world.clicks(CY, dialog, "roll_back")
    await world.card("storefront v1.1.0 → production", "rolled back to v1.0.0")


async def test_the_empty_command_asks_in_a_dialog(world: World) -> None:
    await world.says(ANA, "/deploy")
    await world.slack.until(lambda: list(world.slack.state.views.values()))
    values = {
        "gonogo.field.service": "storefront",
        "gonogo.field.environment": "staging",
        "gonogo.field.ref": "-rf",
    }
    answer = await world.slack.submits(ANA, "gonogo.deploy_form", values)
    assert "gonogo.field.ref" in answer["errors"]
    await world.slack.submits(ANA, "gonogo.deploy_form", {**values, "gonogo.field.ref": "v1.2.0"})
    await world.card("storefront v1.2.0 → staging", "live and healthy")
