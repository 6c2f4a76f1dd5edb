"""Which runs were seen to wait at a gate: what waits there no more was opened, what never did has
none. Kept in memory only.
"""

from __future__ import annotations

from collections import OrderedDict

from bot.ports.ci import GateAnswer

REMEMBERED = 512


class Gates:
    """The gates that runs were seen to wait at, by run and environment."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def waits(self, run: str, environment: str = "") -> None:
        """Remember that a run waits at a gate; of one environment where it may wait for several."""
        self._seen[run, environment.casefold()] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def past(self, run: str, environment: str = "") -> GateAnswer:
        """Say of a run that waits at no gate now whether it has come past one."""
        return (
            GateAnswer.WAS_OPEN
            if (run, environment.casefold()) in self._seen
            else GateAnswer.NOT_THERE
        )
