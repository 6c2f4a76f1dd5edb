"""How each command is written: for help, the reference, completion, and for the nearest
match to a mistyped word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

NOT_YET = frozenset(
    {
        "diff",
        "hold",
        "resume",
        "freeze",
        "thaw",
        "freezes",
        "queue",
        "train",
        "oncall",
        "window",
        "dora",
        "flags",
        "passport",
    }
)
"""Commands that are planned and said to be so."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How one command is written. ``syntax`` begins with the slash command."""

    syntax: str
    sentence: str
    examples: tuple[str, ...]


USAGE: dict[str, Usage] = {
    "deploy": Usage(
        "/deploy SERVICE [REF] to ENVIRONMENT [with STRATEGY] [lead @user] [because TEXT]",
        (
            "Ask for a deployment. REF is a tag, a branch, a commit, latest (the default) or "
            "previous; it is pinned to one commit."
        ),
        (
            "/deploy storefront v1.2.0 to production",
            "/deploy storefront to staging",
            "/deploy storefront latest to production with rolling",
        ),
    ),
    "check": Usage(
        "/deploy check SERVICE [REF] to ENVIRONMENT",
        "Show every gate in one answer, with who can clear it. Nothing is changed.",
        ("/deploy check storefront v1.2.0 to production",),
    ),
    "status": Usage(
        "/deploy status [SERVICE]",
        (
            "Show what is live where, since when and by whom, and what runs, "
            "waits, is locked or frozen."
        ),
        ("/deploy status", "/deploy status storefront"),
    ),
    "history": Usage(
        "/deploy history SERVICE [ENVIRONMENT]",
        "Show the last deployments and rollbacks.",
        ("/deploy history storefront", "/deploy history storefront production"),
    ),
    "cancel": Usage(
        "/deploy cancel ID",
        (
            "Take back a deployment that has touched nothing yet. Where nothing can be gone back "
            "to, its lead stops a rollout with it."
        ),
        ("/deploy cancel storefront-42",),
    ),
    "retest": Usage(
        "/deploy retest ID",
        (
            "Have the tests of a deployment's commit run again at the CI provider; the newest run "
            "decides. For whoever may deploy."
        ),
        ("/deploy retest storefront-42",),
    ),
    "lock": Usage(
        "/deploy lock SERVICE|all ENVIRONMENT [for DURATION] because TEXT",
        (
            "Keep deployments out of an environment. Durations: 30m, 2h, 1d, 1h30m; without one "
            "the lock holds until somebody unlocks."
        ),
        (
            "/deploy lock storefront production for 2h because database maintenance",
            "/deploy lock all production because incident 7",
        ),
    ),
    "unlock": Usage(
        "/deploy unlock SERVICE|all ENVIRONMENT",
        "Take a lock away.",
        ("/deploy unlock storefront production",),
    ),
    "locks": Usage(
        "/deploy locks", "List every lock that holds, with its reason.", ("/deploy locks",)
    ),
    "quarantine": Usage(
        "/deploy quarantine SERVICE REF because TEXT",
        (
            "Keep a version from being deployed anywhere, and from being gone back to. What is "
            "under way with it stands still."
        ),
        ("/deploy quarantine storefront v1.1.0 because it loses carts",),
    ),
    "unquarantine": Usage(
        "/deploy unquarantine SERVICE REF because TEXT",
        "Let a version be deployed again that was quarantined, with a reason that stays.",
        ("/deploy unquarantine storefront v1.1.0 because the database was the cause",),
    ),
    "live": Usage(
        "/deploy live SERVICE ENVIRONMENT is REF because TEXT",
        (
            "Say what runs where it is unclear: after a failure, a restore, or a run that could "
            "not be stopped. Answered with a dialog."
        ),
        ("/deploy live storefront production is v1.1.0 because I looked at all hosts",),
    ),
    "lead": Usage(
        "/deploy lead ID @user",
        "Hand over the lead of a deployment: only the lead, or a release manager.",
        ("/deploy lead storefront-42 @bo",),
    ),
    "rollback": Usage(
        "/rollback SERVICE ENVIRONMENT [to REF] because TEXT",
        (
            "Say what rolling back would do, to the last version verified good or to REF, with a "
            "button that does it. Only the lead."
        ),
        (
            "/rollback storefront production because errors rise",
            "/rollback storefront production to v1.0.0 because v1.1.0 loses carts",
        ),
    ),
    "help": Usage(
        "/deploy help [COMMAND]",
        "Explain the commands, or one of them.",
        ("/deploy help", "/deploy help lock"),
    ),
}
"""Every command that can be typed: for help, the reference and completion."""

VERBS = frozenset(USAGE)
MEANT = {
    "undo": "rollback", "revert": "rollback", "back": "rollback",
    "abort": "cancel", "stop": "cancel", "ship": "deploy",
    "release": "deploy", "promote": "deploy", "ls": "status",
    "list": "status", "log": "history", "who": "lead", "owner": "lead",
    "gates": "check", "ready": "check", "commands": "help",
}  # fmt: skip
"""What other tools call our commands."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that somebody probably meant; None when nothing is near."""
    names, said = sorted(known), word[:60].lower()
    if MEANT.get(said) in names:
        return MEANT[said]
    begun = [name for name in names if len(said) > 1 and name.startswith(said)]
    found = get_close_matches(said, names, n=1, cutoff=0.6) or (begun if len(begun) == 1 else [])
    return found[0] if found else None
