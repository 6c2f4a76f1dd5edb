"""The buttons of cards and refusals. A button carries a deployment's id and
what was shown beside it.

Rights, and whether what was shown is still so, are checked later, by the use case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.actions import Action
from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    Command,
    ConfirmPlan,
    DeployFirst,
    GoNow,
    OpenGate,
    Proceed,
    Reject,
    Retest,
    RollBack,
    SayLive,
    SayWhy,
    Status,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Watch,
)
from bot.domain.errors import Refusal
from bot.domain.validation import check_reason
from bot.ports.talk import Place
from bot.slack import ids
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, accept, explain, identify, place_of


def _roll_back(deployment: str, rest: str) -> RollBack:
    """Read what a rollback's button carries: what was shown, and where it was not the card's own
    offer the target and the reason.

    A target after a question mark is gone to although nobody knows what lies between.
    """
    shown, _, more = rest.partition(" ")
    target, _, reason = more.partition(" ")
    known = target.removeprefix("?")
    return RollBack(
        deployment=deployment,
        shown=shown,
        ref=known,
        reason=reason,
        although_unknown=target != known,
    )


def _say_live(place: str, rest: str) -> SayLive:
    """Read what the button of the dialog about what is live carries: the place, what was shown,
    commit, version and reason.
    """
    service, _, environment = place.partition("/")
    shown, _, more = rest.partition(" ")
    commit, _, more = more.partition(" ")
    version, _, reason = more.partition(" ")
    return SayLive(service, environment, commit, reason, shown or "nothing", version)


def _unlock(about: str, shown: str) -> Unlock:
    """Read what the button of a lock carries: the deployment whose rollback set it, or the
    place where somebody has.
    """
    service, _, environment = about.partition("/")
    if not environment:
        return Unlock(deployment=about, shown=shown)
    return Unlock("" if service == "all" else service, environment, shown=shown or "nothing")


AT_ONCE: Mapping[Action, Callable[[str, str], Command]] = {
    Action.APPROVE: Approve,
    Action.ACKNOWLEDGE: Acknowledge,
    Action.CANCEL: Cancel,
    Action.ROLL_BACK: _roll_back,
    Action.WATCH: Watch,
    Action.UNLOCK: _unlock,
    Action.OPEN_GATE: OpenGate,
    Action.ASK_LEAD: AskLead,
    Action.RETEST: Retest,
    Action.DEPLOY_FIRST: DeployFirst,
    Action.SAY_LIVE: _say_live,
    Action.GO_NOW: GoNow,
}
"""Buttons that mean a command by themselves."""

SHOWS = frozenset({Action.SHOW_CHANGES, Action.SHOW_TIMELINE})
"""Buttons that only show something; who may see it is asked before it is shown."""

WITH_REASON: Mapping[str, Callable[[str, str, str], Command]] = {
    ids.REJECT_FORM: Reject,
    ids.CONFIRM_PLAN_FORM: ConfirmPlan,
    ids.PROCEED_FORM: Proceed,
    ids.STOP_COUNTDOWN_FORM: StopCountdown,
    ids.SAY_WHY_FORM: SayWhy,
    ids.TAKE_OVER_FORM: TakeOver,
}
"""Dialogs that ask why, and the command that they end in."""


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for every button and for the dialogs behind them."""

    @app.action(ids.ANY_ACTION)
    @explain(intake)
    async def pressed(ack: AsyncAck, body: Body) -> None:
        pressed = body["actions"][0]
        action = ids.action_of(str(pressed.get("action_id", "")))
        deployment, _, shown = str(pressed.get("value") or "").partition(" ")
        if action is None or not deployment:
            await ack()
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

    for callback in WITH_REASON:
        _listen_for_reason(app, intake, callback)

    @app.view(ids.TICK_FORM)
    @explain(intake)
    async def ticked(ack: AsyncAck, body: Body) -> None:
        carried = ids.carried(str(body["view"].get("private_metadata") or ""))
        await accept(
            intake,
            body,
            Tick(
                carried.deployment,
                ids.ticked(body["view"]),
                ids.ticked_before(body["view"]),
                carried.shown,
            ),
            _place(carried, body),
        )
        await ack()


def _listen_for_reason(app: AsyncApp, intake: SlackIntake, callback: str) -> None:
    @app.view(callback)
    @explain(intake)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        carried = ids.carried(str(body["view"].get("private_metadata") or ""))
        reason = ids.entered(body["view"], ids.REASON)
        problem = _problem(reason)
        if problem:
            await ack(response_action="errors", errors={ids.REASON: problem})
            return
        await accept(
            intake,
            body,
            WITH_REASON[callback](carried.deployment, reason, carried.shown),
            _place(carried, body),
        )
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
    if action is Action.TICK:
        return Tick(deployment, ())
    return WITH_REASON[ids.REASON_FORMS[action]](deployment, "", "")


def _ask(intake: SlackIntake, body: Body, action: Action, deployment: str, shown: str) -> None:
    trigger, channel, person = (
        str(body.get("trigger_id", "")),
        place_of(body).channel,
        identify(body),
    )
    if action is Action.TICK:
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
