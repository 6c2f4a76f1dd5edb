"""The card: a pure function from ``bot.domain.card.Card`` to Slack blocks. The words are in
``templates/slack/card``.

One line that is enough alone, who and what, the body of the phase, the outlook, the buttons that
are possible now; twelve lines at most. Nothing on it changes by the passing of time alone, so an
unchanged card costs no call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from slack_sdk.models.blocks import Block

from bot.domain.card import Card
from bot.domain.deployment import Deployment, State
from bot.domain.health import Finding, Verdict
from bot.domain.readiness import GateState
from bot.domain.rollout import Step, StepState
from bot.slack import ids
from bot.slack.blocks import SECTION, Drawn, buttons, context, drawn, section
from bot.slack.card_buttons import card_buttons
from bot.slack.render import Words

OPEN_GATES = 5
HOLDING = frozenset({GateState.GREEN, GateState.WAIVED})
FINDINGS = 3
OUTLOOK_LINES = 3
BODY_LINES = 6

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")
_NOW = frozenset(
    {StepState.RUNNING, StepState.SMOKE, StepState.HOLDING, StepState.FAILED, StepState.STOPPED}
)
_RUNS = frozenset({StepState.RUNNING, StepState.SMOKE, StepState.FAILED, StepState.STOPPED})


def deployment_card(card: Card, words: Words) -> Drawn:
    """Draw a deployment's card."""
    first, second = (
        words.line("card/headline", {"now": card.now, **_headline(card)}),
        words.line("card/people", {"card": card}),
    )
    if card.deployment.never_was:
        return drawn(first, [section(first, "gonogo.card.headline")])
    headline, people, body, outlook = _named_once(
        [first, second, _body(card, words), _outlook(card, words)], card.deployment
    )
    blocks: list[Block] = [
        section(headline, "gonogo.card.headline"),
        context(people, "gonogo.card.people"),
    ]
    if body:
        blocks.append(section(body, "gonogo.card.body"))
    if outlook:
        blocks.append(context(outlook, "gonogo.card.outlook"))
    elements = card_buttons(card, words, card.actions)
    if elements:
        blocks.append(buttons(elements, ids.CARD_ACTIONS))
    return drawn(headline, blocks)


def gist(card: Card, words: Words) -> str:
    """Digest a card but for its figures and how long it still takes: what people have to
    know, and can do, at once.

    That nobody can tell any more how long it takes has to be known.
    """
    snapshot, meanwhile = (
        shot.without_figures if shot else None for shot in (card.snapshot, card.meanwhile)
    )
    bare = replace(card, snapshot=snapshot, meanwhile=meanwhile, about_left=None)
    return f"{deployment_card(bare, words).digest} {card.is_stale} {card.about_left is None}"


def in_brief(card: Card, words: Words) -> str:
    """Write how a deployment stands and its numbers: what a person needs who is
    asked to look at its card.
    """
    first = words.line("card/headline", {"now": card.now, **_headline(card)})
    return f"{first}\n{_numbers(card, words)}".strip()


_SAYS_WHO = ("lead ", "led by ", "requested by ", "here by ", "Quarantined by ", "Locked by ")
"""Words after which only a name says anything."""
_DID = (" quarantined it", " locked it")
"""What people do elsewhere than on this card, so that only a name says who did."""


def _named_once(texts: Sequence[str], deployment: Deployment) -> list[str]:
    """Mention everybody once on a card; afterwards they are who they are."""
    seen: set[str] = set()

    def again(match: re.Match[str]) -> str:
        if match[1] not in seen:
            seen.add(match[1])
            return match[0]
        is_lead = deployment.lead is not None and match[1] == deployment.lead.user
        who = (
            "the lead"
            if is_lead
            else "the requester"
            if match[1] == deployment.requested_by.user
            else "the same person"
        )
        before = match.string[: match.start()]
        if (
            before.endswith(_SAYS_WHO)
            or match.string.startswith(_DID, match.end())
            or (who == "the same person" and not _is_last_named(match[1], before))
        ):
            return match[0]
        return who[0].upper() + who[1:] if not before or before.endswith(("\n", ". ")) else who

    return [_MENTION.sub(again, text) for text in texts]


def _is_last_named(user: str, before: str) -> bool:
    """Tell whether somebody is whom a line has named last, so that "the
    same person" says who it is.
    """
    named = _MENTION.findall(before.rpartition("\n")[2])
    return bool(named) and named[-1] == user


def _headline(card: Card) -> Mapping[str, Any]:
    return {"card": card, "where": _where(card)}


def _where(card: Card) -> str:
    """Say where the rollout is; of what its lead has stopped, what it has of the requests."""
    if card.deployment.was_stopped:
        return f"at {card.serving} %" if card.serving else "in its first run"
    step = (
        next((each for each in card.steps if each.key == card.where), None)
        if card.waits_for_word
        else _current(card.steps)
    )
    if step is not None and card.stands_still:
        step = next((each for each in card.steps if each.is_to_start), step)
    if step is None:
        return (
            "starting"
            if card.deployment.state is State.ROLLING_OUT
            and not card.is_degraded
            and not card.is_blind
            else ""
        )
    if (
        card.deployment.state is not State.ROLLING_OUT
        or card.is_degraded
        or card.is_blind
        or card.waits_for_word
        or card.goes_on_word
    ):
        return f"at {step.percent} %"
    return f"{step.key.split('-')[0]} {step.percent} % · step {step.index + 1} of {len(card.steps)}"


def _current(steps: Sequence[Step]) -> Step | None:
    touched = [step for step in steps if step.state in _NOW]
    if touched:
        return touched[-1]
    done = [step for step in steps if step.state is StepState.DONE]
    waiting = [step for step in steps if step.state is StepState.PENDING and done]
    return waiting[0] if waiting else done[-1] if done else None


# The body ---------------------------------------------------------------------------------------


def _body(card: Card, words: Words) -> str:
    draw = _BODIES.get(card.deployment.state)
    lines = [line for line in draw(card, words).split("\n") if line] if draw else []
    return _fitting("\n".join(lines[:BODY_LINES]), SECTION)


def _filled(words: Words, part: str, card: Card, **more: object) -> str:
    """Fill a part of the card; the time is the card's own."""
    return words.text(f"card/{part}", {"card": card, "now": card.now, **more})


def _fitting(text: str, longest: int) -> str:
    """Leave out last lines until a text fits."""
    while len(text) > longest and "\n" in text:
        text = text.rpartition("\n")[0]
    return text


def _gates(card: Card, words: Words) -> str:
    if card.review is None:
        return ""
    missing = sorted(
        (gate for gate in card.review.gates if gate.state not in HOLDING),
        key=lambda gate: not gate.blocks,
    )
    most = OPEN_GATES if len(missing) <= OPEN_GATES else OPEN_GATES - 1
    green = [gate for gate in card.review.gates if gate.state in HOLDING]
    facts = {"green": green, "open": missing[:most], "others": missing[most:]}
    return _filled(words, "gates", card, **facts)


def _approval(card: Card, words: Words) -> str:
    """Show who has approved, how the gates are, and as many of the newest
    commits as there is room for.
    """
    gates = card.review.gates if card.review else ()
    brief = {
        "green": [gate for gate in gates if gate.state in HOLDING],
        "open": [gate for gate in gates if gate.state not in HOLDING],
    }
    above = [words.text("card/approvals", {"card": card}), words.text("card/gates_in_brief", brief)]
    lines = [line for text in above for line in text.split("\n") if line]
    room = max(BODY_LINES - len(lines), 1)
    newest = card.changes.commits[::-1][: room if card.changes.total <= room else max(room - 1, 1)]
    more = max(0, card.changes.total - len(newest)) if newest else 0
    return "\n".join(
        [*lines, words.text("card/changes", {"card": card, "commits": newest, "more": more})]
    )


def _rollout(card: Card, words: Words) -> str:
    steps, numbers = (
        _filled(words, "steps", card) + _stages(card, card.steps, words),
        _numbers(card, words),
    )
    return (
        f"{numbers}\n{steps}" if card.waits_for_word or card.is_degraded else f"{steps}\n{numbers}"
    )


def _numbers(card: Card, words: Words) -> str:
    is_of_now = (
        card.judged is not None or card.stood_with is not None or card.is_carried or card.is_silent
    )
    if card.snapshot is None or (
        card.deployment.state in {State.ROLLING_OUT, State.WATCHING} and not is_of_now
    ):
        return ""  # a step or a watch that begins is not judged by the numbers of the one before
    worst = sorted(card.snapshot.findings, key=_weight)[:FINDINGS]
    # each metric keeps its place from edit to edit
    listed = [finding for finding in card.snapshot.findings if finding in worst]
    others = [finding for finding in card.snapshot.findings if finding not in worst]
    is_over = card.deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}
    return _filled(words, "numbers", card, findings=listed, others=others, is_over=is_over)


def _stages(card: Card, steps: Sequence[Step], words: Words) -> str:
    """Draw the stages of the run that is under way, or that failed."""
    step = next((step for step in steps if step.state in _RUNS), None)
    return "\n" + words.text("card/stages", {"card": card, "step": step}) if step else ""


def _rolled_back(card: Card, words: Words) -> str:
    """Show what was wrong, and then what is there now."""
    return f"{_bad_numbers(card, words)}\n{_filled(words, 'back', card)}"


def _rolling_back(card: Card, words: Words) -> str:
    """Show the numbers of what serves meanwhile; those of before only where
    these do not say the same.
    """
    stages = _stages(card, card.way_back, words)
    if card.meanwhile is None:
        return f"{_numbers(card, words)}\n{stages}"
    before = "" if card.meanwhile.verdict is Verdict.DEGRADED else _bad_numbers(card, words)
    return f"{_filled(words, 'meanwhile', card)}\n{stages}\n{before}"


def _failed(card: Card, words: Words) -> str:
    """Show the last numbers of what served, with their time: nobody has looked since."""
    if card.meanwhile is None:
        return _rollout(card, words)
    steps = _filled(words, "steps", card) + _stages(card, card.steps, words)
    before = "" if card.meanwhile.verdict is Verdict.DEGRADED else _bad_numbers(card, words)
    return f"{_filled(words, 'meanwhile', card)}\n{steps}\n{before}"


def _bad_numbers(card: Card, words: Words) -> str:
    if card.snapshot is None or card.snapshot.verdict is not Verdict.DEGRADED:
        return ""
    return _numbers(card, words)


def _weight(finding: Finding) -> tuple[int, bool]:
    order = (Verdict.DEGRADED, Verdict.NO_DATA, Verdict.NOT_ENOUGH_TRAFFIC, Verdict.HEALTHY)
    return (order.index(finding.verdict) if finding.critical else len(order), not finding.critical)


_BODIES: Mapping[State, Callable[[Card, Words], str]] = {
    State.GATED: _gates,
    State.AWAITING_APPROVAL: _approval,
    State.ROLLING_OUT: _rollout,
    State.WATCHING: _numbers,
    State.VERIFIED: _numbers,
    State.ACCEPTED: _numbers,
    State.ROLLING_BACK: _rolling_back,
    State.ROLLED_BACK: _rolled_back,
    State.FAILED: _failed,
}


def _outlook(card: Card, words: Words) -> str:
    lines = [line for line in words.text("card/outlook", {"card": card}).split("\n") if line]
    return _fitting("\n".join(lines[:OUTLOOK_LINES]), SECTION)
