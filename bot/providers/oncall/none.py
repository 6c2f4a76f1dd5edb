"""Nobody on call: a team has chosen to do without a schedule."""

from __future__ import annotations

from datetime import datetime

from bot.domain.catalog import NO_PROVIDER, Service
from bot.ports import OnCallSchedule, Question, Shift
from bot.providers.workbench import OnCallKind, Workbench


class NobodyOnCall:
    """``ports.OnCallSchedule`` that names nobody, ever."""

    async def who(self, service: Service, at: datetime) -> Shift | None:  # noqa: ARG002 - the port's
        """Name nobody."""
        return None


def _build(_bench: Workbench) -> OnCallSchedule:
    return NobodyOnCall()


KIND = OnCallKind(
    NO_PROVIDER, "Nobody on call: `on_call: none`", _build,
    limits=(
        "No person on call is asked to acknowledge, and the gate `on-call` is not there.",
        "Nobody becomes the lead by being on call: whoever asks is the lead, unless the request names another (`lead @bo`).",
    ),
    costs={Question.SHIFT: 0},
)  # fmt: skip
