"""The buttons of cards and refusals. A button carries a deployment's id and
what was shown beside it.

Rights, and whether what was shown is still so, are checked later, by the use case.
"""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.dispatch.tables import AS_TYPED, ASKING_WHY, AT_ONCE, CHOOSING, SHOWS
from bot.domain.actions import Action
from bot.domain.commands import Command, Status
from bot.domain.errors import Refusal
from bot.domain.validation import check_reason
from bot.ports.talk import Place
from bot.slack import ids
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, accept, explain, identify, place_of
from handlers.slack.typed import corrected


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for every button and for the dialogs behind them."""

    @app.action(ids.ANY_ACTION)
    @explain(intake)
    async def pressed(ack: AsyncAck, body: Body) -> None:
        pressed = body["actions"][0]
        action = ids.action_of(str(pressed.get("action_id", "")))
        value = str(pressed.get("value") or "")
        deployment, _, shown = value.partition(" ")
        if action is None or not deployment:
            await ack()
            return
        if action in AS_TYPED:
            await corrected(intake, ack, body, value)
            return
        if action in AT_ONCE:
            await accept(intake, body, AT_ONCE[action](deployment, shown))
        elif intake.is_outsider(identify(body)):
            await accept(intake, body, _without_dialog(action, deployment))
        elif action in SHOWS:
            _show(intake, body, action, deployment)
        else:
            _ask(intake, body, action, deployment, shown)
        await ack()

    for action in ASKING_WHY:
        _listen_for_reason(app, intake, action)
    for action in CHOOSING:
        _listen_for_choice(app, intake, action)


def _listen_for_choice(app: AsyncApp, intake: SlackIntake, action: Action) -> None:
    @app.view(ids.form_of(action))
    @explain(intake)
    async def ticked(ack: AsyncAck, body: Body) -> None:
        view = body["view"]
        carried = ids.carried(str(view.get("private_metadata") or ""))
        command = CHOOSING[action](
            carried.deployment, ids.ticked(view), ids.ticked_before(view), carried.shown
        )
        await accept(intake, body, command, _place(carried, body))
        await ack()


def _listen_for_reason(app: AsyncApp, intake: SlackIntake, action: Action) -> None:
    @app.view(ids.form_of(action))
    @explain(intake)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        carried = ids.carried(str(body["view"].get("private_metadata") or ""))
        reason = ids.entered(body["view"], ids.REASON)
        problem = _problem(reason)
        if problem:
            await ack(response_action="errors", errors={ids.REASON: problem})
            return
        command = ASKING_WHY[action](carried.deployment, reason, carried.shown)
        await accept(intake, body, command, _place(carried, body))
        await ack()


def _problem(reason: str) -> str:
    if not reason:
        return "Say why; it stays with the deployment for ever."
    try:
        check_reason(reason)
    except Refusal as refusal:
        return str(refusal)
    return ""


def _without_dialog(action: Action, deployment: str) -> Command:
    """Give the command that an outsider's click stands for: they get no dialog, and the command
    worker refuses and records it.
    """
    if action in SHOWS:
        return Status()
    if action in CHOOSING:
        return CHOOSING[action](deployment, (), (), "")
    return ASKING_WHY[action](deployment, "", "")


def _ask(intake: SlackIntake, body: Body, action: Action, deployment: str, shown: str) -> None:
    trigger, channel, person = (
        str(body.get("trigger_id", "")),
        place_of(body).channel,
        identify(body),
    )
    if action in CHOOSING:
        opening = intake.forms.tick(trigger, deployment, person, channel=channel, shown=shown)
    else:
        opening = intake.forms.reason(
            trigger, action, deployment, person, channel=channel, shown=shown
        )
    intake.show(opening, to=person, channel=channel)


def _show(intake: SlackIntake, body: Body, action: Action, deployment: str) -> None:
    trigger, channel, person = (
        str(body.get("trigger_id", "")),
        place_of(body).channel,
        identify(body),
    )
    intake.show(
        intake.forms.show(trigger, action, deployment, person, channel=channel),
        to=person,
        channel=channel,
    )


def _place(carried: ids.Carried, body: Body) -> Place:
    return Place(channel=carried.channel or identify(body).user, thread=carried.thread)
