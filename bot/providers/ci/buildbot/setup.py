"""What a team has named of its Buildbot."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setup:
    """What a team has named: where Buildbot is, and which scheduler, builder and
    tests belong to the service.
    """

    url: str
    builder: str
    scheduler: str
    tests: str = ""
    account: str = ""
    webhook_secret: str = field(default="", repr=False)
