"""What ``gonogo doctor`` asks of the embedded CI: repository, pipeline, and whose stages are."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from bot.domain.errors import IntegrationError
from bot.providers.ci.git import Git
from bot.providers.ci.local import pipeline
from bot.providers.ci.local.process import Account
from bot.providers.context import Finding


async def examine(
    git: Git, user: str, read: Callable[[str], Awaitable[pipeline.PipelineFile]]
) -> Sequence[Finding]:
    """Check the repository, that its newest commit has a pipeline that can be read,
    and as whom its stages run.
    """
    if not git.is_there():
        remedy = "Clone it there, or correct the path in gonogo.yaml."
        return [
            Finding(
                "repository",
                ok=False,
                sentence=f"{git.repository} is not a git repository.",
                remedy=remedy,
            )
        ]
    found = [
        Finding("repository", ok=True, sentence=f"{git.repository} is there."),
        _whose(user),
    ]
    try:
        actions = ", ".join((await read((await git.resolve("HEAD")).commit)).pipelines)
    except IntegrationError as error:
        return [
            *found,
            Finding(
                "pipeline",
                ok=False,
                sentence=str(error),
                remedy=(
                    "Write it as pipelines: {deploy: {stages: [{name: deploy, run: ./deploy.sh}]}}."
                ),
            ),
        ]
    return [
        *found,
        Finding(
            "pipeline",
            ok=True,
            sentence=f"{pipeline.FILE} of the newest commit has: {actions}.",
        ),
    ]


def _whose(user: str) -> Finding:
    """Say as whom stages run, and what they could read."""
    is_root = os.geteuid() == 0
    how = (
        "Set the option user to an account that has nothing else"
        if is_root
        else "Run the bot as root with the option user"
    )
    remedy = f"{how}, or use a CI of its own."
    try:
        account = account_of(user)
    except IntegrationError as error:
        return Finding("stages", ok=False, sentence=str(error), remedy=remedy)
    if account is not None and account.user != os.geteuid():
        return Finding("stages", ok=True, sentence=f"Stages run as {account.name}.")
    can = (
        "everything, the bot's memory too, because it is root"
        if is_root
        else "the bot's files, though not its environment and memory"
    )
    return Finding(
        "stages",
        ok=None,
        sentence=f"Stages run as the bot's own user, and can read {can}.",
        remedy=remedy,
    )


def account_of(user: str) -> Account | None:
    """Give the account that stages run as; None for the bot's own."""
    return Account.of(user) if user else None
