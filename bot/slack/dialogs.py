"""Dialogs (modals) and the App Home. They ask; what is submitted is judged when it arrives,
whatever the form had offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    CheckboxesElement,
    HeaderBlock,
    InputBlock,
    Option,
    OptionGroup,
    PlainTextInputElement,
    StaticSelectElement,
    UserSelectElement,
)
from slack_sdk.models.views import View

from bot.domain.actions import Action
from bot.ports.board import BoardRow
from bot.ports.talk import Answer
from bot.slack import ids
from bot.slack.blocks import SECTION, VIEW_TOTAL, context, label, paged, section
from bot.slack.filters import plain
from bot.slack.render import Words
from bot.slack.speech import answer

MOST_OPTIONS = 100
AT_ONCE = 10
"""Slack shows ten checkboxes in one group."""
MOST_ITEMS = 200
HOME_ROWS = 90
LONGEST_REASON = 500
TITLE = 100
NOTHING_CARRIED = ids.Carried()


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """A service that the deploy form offers, with its environments in the order of promotion."""

    name: str
    environments: tuple[str, ...]


class Dialogs:
    """The dialogs, with words from ``templates/slack/verbs``, ``dialogs`` and ``home``. Each
    method gives a view for Slack.
    """

    def __init__(self, words: Words) -> None:
        self._words = words

    def answer(self, said: Answer) -> dict[str, Any]:
        """Draw an answer that is given at once, in an ack."""
        drawn = answer(said, self._words)
        return {"text": drawn.text, "blocks": drawn.blocks}

    def deploy_form(
        self,
        services: Sequence[ServiceChoice],
        strategies: Sequence[str],
        *,
        service: str = "",
        carried: ids.Carried = NOTHING_CARRIED,
    ) -> dict[str, Any]:
        """Ask for a deployment. With a service the form offers its environments only; picking one
        sends ``ids.SERVICE_PICKED``.
        """
        chosen = service or (services[0].name if len(services) == 1 else "")
        narrowed = [each for each in services if each.name == chosen] or services
        environments = list(
            dict.fromkeys(environment for each in narrowed for environment in each.environments)
        )
        blocks = [
            context(self._words.text("dialogs/deploy", {})),
            *_asked(services, environments, strategies, chosen),
        ]
        return _modal(
            ids.DEPLOY_FORM,
            "Deploy",
            "Ask for it",
            [block for block in blocks if not _is_empty(block)],
            carried,
        )

    def tick_form(
        self, title: str, items: Sequence[tuple[str, str, bool]], carried: ids.Carried
    ) -> dict[str, Any]:
        """Show the checklist items that this person may tick, as (key, title, ticked)."""
        verb, facts = f"verbs/{Action.TICK}", {"title": title}
        name, ask, submit = self._words_of(Action.TICK)
        if not items:
            nothing = section(self._words.text(f"{verb}#nothing", facts))
            return _modal("", name, "", [nothing], carried)
        blocks: list[Block] = [section(self._words.text(f"{verb}#dialog", facts))]
        groups = range(0, min(len(items), MOST_ITEMS), AT_ONCE)
        blocks += [
            _checkboxes(f"{ids.ITEMS}.{at}" if at else ids.ITEMS, ask, items[at : at + AT_ONCE])
            for at in groups
        ]
        return _modal(ids.form_of(Action.TICK), name, submit, blocks, carried)

    def _words_of(self, action: Action) -> tuple[str, str, str]:
        """Give a dialog's name, what it asks for, and what its button says."""
        name, ask, submit = (
            self._words.plain_line(f"verbs/{action}#{block}", {}, TITLE)
            for block in ("title", "ask", "yes")
        )
        return name, ask, submit

    def reason_form(
        self,
        action: Action,
        title: str,
        carried: ids.Carried,
        about: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Ask why, for an action whose dialog does so; ``title`` names the deployment, ``about`` is
        what else there is to see.
        """
        name, ask, submit = self._words_of(action)
        text = self._words.text(f"verbs/{action}#dialog", {"title": title, "about": about})
        blocks: list[Block] = [*paged(text, VIEW_TOTAL), _line(ids.REASON, ask, is_long=True)]
        return _modal(ids.form_of(action), name, submit, blocks, carried)

    def reading(self, template: str, action: Action, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Show something to be read, in as many pieces as Slack needs;
        ``template`` is one of ``dialogs/``.
        """
        title = self._words.plain_line(f"verbs/{action}#title", {}, TITLE)
        return _modal(
            "",
            title,
            "",
            paged(self._words.text(f"dialogs/{template}", facts), VIEW_TOTAL),
            NOTHING_CARRIED,
        )

    def home(self, rows: Sequence[BoardRow], *, roles: Sequence[str] = ()) -> dict[str, Any]:
        """Show the board on the App Home, and what the person is here."""
        intro = self._words.text("home/intro", {"services": len(rows), "roles": roles})
        blocks: list[Block] = [HeaderBlock(text=label("Go/No-Go", 100)), section(intro)]
        blocks += [
            section(self._words.text("home/row", {"row": row})[:SECTION])
            for row in rows[:HOME_ROWS]
        ]
        if len(rows) > HOME_ROWS:
            blocks.append(context(f"{len(rows) - HOME_ROWS} more: /deploy status SERVICE"))
        view: dict[str, Any] = View(type="home", blocks=blocks).to_dict()
        return view

    def closed_home(self, sentence: str) -> dict[str, Any]:
        """Show an App Home on which nothing is shown, and why."""
        blocks: list[Block] = [
            HeaderBlock(text=label("Go/No-Go", 100)),
            section(self._words.text("home/closed", {"sentence": sentence})),
        ]  # fmt: skip
        view: dict[str, Any] = View(type="home", blocks=blocks).to_dict()
        return view


def _asked(
    services: Sequence[ServiceChoice],
    environments: Sequence[str],
    strategies: Sequence[str],
    chosen: str,
) -> list[Block]:
    """Draw what is asked for a deployment of the chosen service."""
    return [
        _select(
            ids.SERVICE,
            "Service",
            [each.name for each in services],
            chosen=chosen,
            action_id=ids.SERVICE_PICKED,
        ),
        _select(
            ids.ENVIRONMENT,
            "Environment",
            environments,
            chosen=environments[0] if len(environments) == 1 else "",
        ),
        _line(
            ids.REF,
            "Version",
            hint="A tag, a branch, a commit, latest or previous",
            initial="latest",
        ),
        _select(
            ids.STRATEGY,
            "Strategy",
            strategies,
            is_optional=True,
            hint="Empty for what the environment usually does",
        ),
        _person(
            ids.LEAD,
            "Deployment lead",
            hint="Alone may roll back. Empty for the person on call",
        ),
        _line(ids.REASON, "Reason", is_optional=True, is_long=True),
    ]


def _modal(
    callback: str, title: str, submit: str, blocks: Sequence[Block], carried: ids.Carried
) -> dict[str, Any]:
    view: dict[str, Any] = View(
        type="modal", callback_id=callback or None, title=label(title, 24),
        submit=label(submit, 24) if submit else None,
        close=label("Back" if submit else "Close", 24),
        blocks=blocks, private_metadata=ids.carry(carried),
    ).to_dict()  # fmt: skip
    return view


def _select(
    field: str,
    name: str,
    values: Sequence[str],
    *,
    chosen: str = "",
    is_optional: bool = False,
    hint: str = "",
    action_id: str = ids.VALUE,
) -> InputBlock:
    """Offer values; more than Slack's hundred are shown in groups by their first letter, and the
    rest can be typed in the command.
    """
    options = [
        Option(value=value[:75], label=plain(value, 75)) for value in values[: MOST_OPTIONS * 10]
    ]
    groups = None
    if len(options) > MOST_OPTIONS:
        groups = [
            OptionGroup(
                label=label(f"{options[at].value} …", 75), options=options[at : at + MOST_OPTIONS]
            )
            for at in range(0, len(options), MOST_OPTIONS)
        ]
    element = StaticSelectElement(
        action_id=action_id, options=None if groups else options, option_groups=groups,
        initial_option=next((option for option in options if option.value == chosen), None),
    )  # fmt: skip
    dispatches = True if action_id == ids.SERVICE_PICKED else None
    return InputBlock(
        block_id=field, label=label(name, 100), element=element,
        optional=is_optional, hint=label(hint, 150) if hint else None,
        dispatch_action=dispatches,
    )  # fmt: skip


def _line(
    field: str,
    name: str,
    *,
    hint: str = "",
    initial: str = "",
    is_optional: bool = False,
    is_long: bool = False,
) -> InputBlock:
    element = PlainTextInputElement(
        action_id=ids.VALUE,
        initial_value=initial or None,
        multiline=is_long or None,
        max_length=LONGEST_REASON if is_long else 200,
    )
    return InputBlock(
        block_id=field,
        label=label(name, 100),
        element=element,
        optional=is_optional,
        hint=label(hint, 150) if hint else None,
    )


def _person(field: str, name: str, *, hint: str) -> InputBlock:
    return InputBlock(
        block_id=field,
        label=label(name, 100),
        element=UserSelectElement(action_id=ids.VALUE),
        optional=True,
        hint=label(hint, 150),
    )


def _checkboxes(field: str, name: str, items: Sequence[tuple[str, str, bool]]) -> InputBlock:
    options = [Option(value=key, label=plain(title, 75)) for key, title, _ in items]
    ticked = [option for option, (_, _, is_ticked) in zip(options, items, strict=True) if is_ticked]
    boxes = CheckboxesElement(action_id=ids.VALUE, options=options, initial_options=ticked or None)
    return InputBlock(block_id=field, label=label(name, 100), element=boxes, optional=True)


def _is_empty(block: Block) -> bool:
    """Tell whether a select has nothing to offer; Slack refuses such a one."""
    element = getattr(block, "element", None)
    return (
        isinstance(element, StaticSelectElement)
        and not element.options
        and not element.option_groups
    )
