"""How the steps of the runbooks end: closed sets. No StrEnum, which would compare with any string,
and let a wrong one pass the types.
"""

from __future__ import annotations

from enum import Enum


class Went(Enum):
    """Whether a deployment goes on after a step of its runbook."""

    GO = "go"
    OVER = "over"


class Closed(Enum):
    """How a rollback ended."""

    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    OVER = "over"  # somebody has settled it meanwhile


class Chased(Enum):
    """What became of a run that was given up."""

    ENDED = "ended"
    NOT_STARTED = "not started"
    GONE = "gone"  # nobody looks for it any more
    UNKNOWN = "unknown"  # its service is no longer in the configuration
    UNTOLD = "untold"  # the CI provider does not say


class Unseen(Enum):
    """What became of the doubt whether a version still gets requests."""

    UNSEEN = "unseen"
    OVER = "over"  # there is no such doubt any more
    UNKNOWN = "unknown"  # its place is no longer in the configuration
