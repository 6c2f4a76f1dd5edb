"""``/deploy``: the command, and the dialog for the empty one.

A command that is taken is acknowledged with nothing: Slack may show an ack after the answer, so
the answer alone speaks.
"""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.dispatch.typed import OpenForm, parse_deploy
from bot.domain.commands import Deploy
from bot.domain.errors import Refusal
from bot.domain.validation import check_reason, check_ref
from bot.ports.talk import Place
from bot.slack import ids
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, accept, explain, identify, place_of
from handlers.slack.typed import typed


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for ``/deploy`` and its dialog."""

    @app.command("/deploy")
    @explain(intake)
    async def deploy(ack: AsyncAck, body: Body) -> None:
        command = parse_deploy(str(body.get("text", "")))
        if isinstance(command, OpenForm):
            channel, person = place_of(body).channel, identify(body)
            opening = intake.forms.deploy(str(body.get("trigger_id", "")), person, channel=channel)
            intake.show(opening, to=person, channel=channel)
            await ack()
            return
        await typed(intake, ack, body, command)

    @app.action(ids.SERVICE_PICKED)
    @explain(intake)
    async def service_picked(ack: AsyncAck, body: Body) -> None:
        view, person = body.get("view") or {}, identify(body)
        intake.show(
            intake.forms.narrow_deploy(view, ids.entered(view, ids.SERVICE), person),
            to=person,
            channel="",
        )
        await ack()

    @app.view(ids.DEPLOY_FORM)
    @explain(intake)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        view = body["view"]
        command = Deploy(
            service=ids.entered(view, ids.SERVICE), environment=ids.entered(view, ids.ENVIRONMENT),
            ref=ids.entered(view, ids.REF) or "latest",
            strategy=ids.entered(view, ids.STRATEGY),
            lead=ids.entered(view, ids.LEAD), reason=ids.entered(view, ids.REASON),
        )  # fmt: skip
        problems = mistakes(intake, command)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        carried = ids.carried(str(view.get("private_metadata") or ""))
        await accept(intake, body, command, Place(channel=carried.channel or identify(body).user))
        await ack()


def mistakes(intake: SlackIntake, command: Deploy) -> dict[str, str]:
    """Find what is wrong in a filled-in dialog, by field: what the catalog and the
    grammar can tell at once.
    """
    service = intake.catalog.services.get(command.service)
    if service is None:
        return {ids.SERVICE: "Choose a service."}
    if command.environment not in service.environments:
        return {ids.ENVIRONMENT: f"{service.name} has {', '.join(service.environments)}."}
    if command.strategy and command.strategy not in intake.catalog.strategies:
        return {ids.STRATEGY: "Choose a strategy, or none."}
    for field, check, said in (
        (ids.REF, check_ref, command.ref),
        (ids.REASON, check_reason, command.reason),
    ):
        try:
            check(said)
        except Refusal as refusal:
            return {field: str(refusal)}
    return {}
