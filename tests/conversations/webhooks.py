"""The notices that the CI of a conversation sends: a run that stays under way, and what the
vendor says of it, signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bot.providers.ci.github.webhook import sign as sign_github
from bot.providers.ci.gitlab.webhook import signature, signing_key
from bot.providers.ci.jenkins.webhook import HEADER
from bot.providers.ci.jenkins.webhook import sign as sign_jenkins
from tests.conversations.vendors import OnGitHub, OnGitLab, OnJenkins, Vendor
from tests.providers.ci.github_lab import SECRET
from tests.providers.ci.gitlab_fake import PROJECT, PROJECT_ID
from tests.providers.ci.gitlab_lab import SIGNING_TOKEN
from tests.providers.ci.jenkins_world import Plan

Notice = tuple[dict[str, str], bytes]


class Sender(Protocol):
    """What a conversation needs of a vendor that sends notices."""

    secrets: Mapping[str, str]
    has_time: bool
    """Whether its signature holds for a time only."""

    def hold(self, commit: str) -> None:
        """Let the runs of a commit stay under way."""
        ...

    def run(self) -> str:
        """Name the newest run that deploys."""
        ...

    def calls(self) -> Sequence[Any]:
        """List the requests that the vendor has had."""
        ...

    def notice(
        self, run: str, state: str, *, secret: str = "", at: datetime | None = None
    ) -> Notice:
        """Sign a notice that a run has come to a state, in the vendor's own word."""
        ...


class GitHubSends:
    """GitHub, which signs the body and no time."""

    has_time = False

    def __init__(self, vendor: OnGitHub) -> None:
        self.vendor = vendor
        self.secrets: Mapping[str, str] = {"GONOGO_GITHUB_WEBHOOK_SECRET": SECRET}

    def hold(self, commit: str) -> None:
        self.vendor.world.commits[commit] = replace(self.vendor.world.commits[commit], held=True)

    def run(self) -> str:
        return str(self.vendor.world.deploy_runs()[-1].id)

    def calls(self) -> Sequence[Any]:
        return self.vendor.github.requests

    def notice(
        self, run: str, state: str, *, secret: str = "", at: datetime | None = None
    ) -> Notice:
        assert at is None, "GitHub signs no time"
        views = self.vendor.github.views
        shown = {
            **views.run(self.vendor.world.deploy_runs()[-1]),
            "id": int(run),
            "status": "completed",
            "conclusion": state,
        }
        body = json.dumps(
            {"action": "completed", "workflow_run": shown, "repository": views.repository()}
        ).encode()
        return {
            "X-GitHub-Event": "workflow_run",
            "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "X-Hub-Signature-256": sign_github(secret or SECRET, body),
        }, body  # fmt: skip


class GitLabSends:
    """GitLab, which signs as Standard Webhooks does."""

    has_time = True

    def __init__(self, vendor: OnGitLab) -> None:
        self.vendor = vendor
        self.secrets: Mapping[str, str] = {"GONOGO_GITLAB_SIGNING_TOKEN": SIGNING_TOKEN}

    def hold(self, commit: str) -> None:
        self.vendor.world.commits[commit] = replace(self.vendor.world.commits[commit], held=True)

    def run(self) -> str:
        return str(
            max(
                number
                for number, each in self.vendor.world.pipelines.items()
                if "GONOGO_CORRELATION" in each.variables
            )
        )

    def calls(self) -> Sequence[Any]:
        return self.vendor.fake.seen

    def notice(
        self, run: str, state: str, *, secret: str = "", at: datetime | None = None
    ) -> Notice:
        attributes = {"id": int(run), "status": state, "source": "api", "variables": []}
        project = {"id": PROJECT_ID, "path_with_namespace": PROJECT}
        body = json.dumps(
            {"object_kind": "pipeline", "object_attributes": attributes, "project": project}
        ).encode()
        key = secret.encode() or signing_key(SIGNING_TOKEN)
        stamp = str(int((at or datetime.now(UTC)).timestamp()))
        return {
            "X-Gitlab-Event": "Pipeline Hook", "webhook-id": "2f1a0b", "webhook-timestamp": stamp,
            "webhook-signature": signature(key, "2f1a0b", stamp, body),
        }, body  # fmt: skip


class JenkinsSends:
    """Our own Jenkinsfile, which signs time and body."""

    has_time = True

    def __init__(self, vendor: OnJenkins) -> None:
        self.vendor = vendor
        self.secrets: Mapping[str, str] = {"GONOGO_JENKINS_WEBHOOK_SECRET": SECRET}

    def hold(self, commit: str) -> None:
        self.vendor.world.plans[commit] = Plan(held=True)

    def run(self) -> str:
        return self.vendor.deploys.builds[-1].parameter("CORRELATION_ID")

    def calls(self) -> Sequence[Any]:
        return self.vendor.fake.requests

    def notice(
        self, run: str, state: str, *, secret: str = "", at: datetime | None = None
    ) -> Notice:
        body = json.dumps({"correlation": run, "build": 1, "state": state}).encode()
        return {HEADER: sign_jenkins(secret or SECRET, body, at or datetime.now(UTC))}, body


LONG_AGO = timedelta(minutes=6)
"""Longer ago than a signed time stamp may be."""


def sender_of(vendor: Vendor) -> Sender:
    """Have a vendor send notices."""
    if isinstance(vendor, OnGitHub):
        return GitHubSends(vendor)
    if isinstance(vendor, OnGitLab):
        return GitLabSends(vendor)
    assert isinstance(vendor, OnJenkins)
    return JenkinsSends(vendor)
