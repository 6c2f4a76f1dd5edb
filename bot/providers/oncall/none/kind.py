"""What the rest of the house knows about having nobody on call."""

from __future__ import annotations

from bot.domain.catalog import NO_PROVIDER
from bot.ports.ci import Question
from bot.ports.people import OnCallSchedule
from bot.providers.context import OnCallKind, ProviderContext
from bot.providers.oncall.none.provider import NobodyOnCall


def _build(_bench: ProviderContext) -> OnCallSchedule:
    return NobodyOnCall()


KIND = OnCallKind(
    NO_PROVIDER, "Nobody on call: `on_call: none`", _build,
    limits=(
        "No person on call is asked to acknowledge, and the gate `on-call` is not there.",
        (
            "Nobody becomes the lead by being on call: whoever asks is the lead, unless the "
            "request names another (`lead @bo`)."
        ),
    ),
    costs={Question.SHIFT: 0},
)  # fmt: skip
