"""What the rest of the house knows about Jenkins: its options, its secrets, its
limits, and how it is built.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.domain.errors import ConfigurationError, MissingSetting
from bot.ports.ci import Question
from bot.providers.ci.jenkins.client import VENDOR, JenkinsClient
from bot.providers.ci.jenkins.provider import Jenkins
from bot.providers.ci.mirror import Mirror, token_for
from bot.providers.ci.starts import Starts
from bot.providers.context import (
    CIKind,
    Option,
    ProviderContext,
    Secret,
    account,
    hard_to_guess,
    one_word,
)
from bot.providers.exchange import Budget
from bot.providers.rest import RestClient

TOKEN = "GONOGO_JENKINS_TOKEN"  # noqa: S105 - a setting's name
WEBHOOK_SECRET = "GONOGO_JENKINS_WEBHOOK_SECRET"  # noqa: S105 - a setting's name
API_TOKEN = re.compile(r"(?:11)?[0-9a-f]{32}")
"""What ``jenkins.security.ApiTokenProperty`` makes: 11 and 32 hexadecimal digits,
without the 11 in old ones.
"""
GIT_TOKEN = "GONOGO_JENKINS_GIT_TOKEN"  # noqa: S105 - a setting's name


def build(context: ProviderContext, budget: Budget | None = None) -> Jenkins:
    """Build the provider of one service. Raises ConfigurationError."""
    options, where = context.options, f"services.{context.service}.ci"
    address, user, token = (
        _address(options, where),
        account(f"{where}.user", _word(options, "user", where)),
        context.secret(TOKEN),
    )
    repository, job, stages = (
        _word(options, "repository", where),
        _word(options, "job", where),
        _stages(options, where),
    )
    try:
        mirror = Mirror(
            repository,
            context.work / "jenkins",
            vendor=VENDOR,
            tags=context.tags,
            paths=context.paths,
            environment=token_for(repository, one_word(GIT_TOKEN, context.secret(GIT_TOKEN))),
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if not token:
        raise MissingSetting(
            f"{where}: {TOKEN} is not set. Give it an API token of the Jenkins user {user}."
        )
    whom = base64.b64encode(f"{user}:{token}".encode()).decode()
    rest = RestClient(
        context.session, address, vendor=VENDOR, rate_limits=context.rate_limits,
        headers={"Authorization": f"Basic {whom}"},
        secrets=(token, whom), budget=budget,
    )  # fmt: skip
    return Jenkins(
        _job(rest, address, job, f"{where}.job"),
        mirror,
        tests=_job(rest, address, _word(options, "tests", where), f"{where}.tests")
        if options.get("tests")
        else None,
        stages=stages,
        webhook_secret=context.secret(WEBHOOK_SECRET),
        has_api_token=bool(API_TOKEN.fullmatch(token)),
        clock=context.clock,
        starts=Starts("jenkins", context.service, context.starts, context.clock),
        service=context.service,
    )


def _job(rest: RestClient, address: str, name: str, where: str) -> JenkinsClient:
    try:
        return JenkinsClient(rest, address, name)
    except ValueError as error:
        raise ConfigurationError(
            f'{where}: "{name}" is not the name of a job. Write folder/job, as in the '
            "address bar without /job/."
        ) from error


def _address(options: Mapping[str, Any], where: str) -> str:
    address = _word(options, "url", where).rstrip("/")
    parts = urlsplit(address)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise ConfigurationError(
            f"{where}.url: give the address of Jenkins, such as "
            "https://ci.example.com/jenkins, without a user in it."
        )
    return address


def _word(options: Mapping[str, Any], name: str, where: str) -> str:
    value = options.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{where}.{name}: this is needed, as one line of text.")
    return value.strip()


def _stages(options: Mapping[str, Any], where: str) -> list[str]:
    value = options.get("stages", [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ConfigurationError(f"{where}.stages: give a list of names.")
    return value


KIND = CIKind(
    name="jenkins",
    title="Jenkins",
    build=build,
    costs={Question.FREEZES: 0},
    options={
        "url": Option("Jenkins' address, with its prefix if it has one", required=True),
        "user": Option("the Jenkins user whose API token the bot has", required=True),
        "job": Option("the pipeline that deploys, as `folder/job`", required=True),
        "repository": Option(
            (
                "the git repository in which refs are resolved and commits compared: "
                "`https://`, `ssh://` or a path"
            ),
            required=True,
            is_repository=True,
        ),
        "tests": Option(
            "the job whose builds say whether a commit's tests are green; without it no commit is"
        ),
        "stages": Option(
            "the names of the pipeline's stages in their order, so that "
            "those still to come are shown"
        ),
    },
    secrets=(
        Secret(TOKEN, "API token of the Jenkins user; a password does not work"),
        Secret(
            WEBHOOK_SECRET,
            "secret under which the Jenkinsfile signs its notices",
            check=hard_to_guess,
        ),
        Secret(
            GIT_TOKEN, "token for a repository on `https://`; not needed for `ssh://` or a path"
        ),
    ),
    limits=(
        (
            "Jenkins can neither resolve a ref nor compare commits; the bot keeps a bare mirror of "
            "the repository for that."
        ),
        'Stages and questions (`input`) are seen only with the plugin "Pipeline: REST API".',
        (
            "Jenkins names a stage once it has begun; those still to come are shown only "
            "when `stages` names them."
        ),
        (
            "A question (`input`) can be answered with a yes from Slack when it is the only one "
            "and wants nothing more; else in Jenkins."
        ),
        (
            "A start without an answer is looked for in the queue and among the newest 2,000 "
            "builds; with more since, it cannot be told."
        ),
        (
            "When such a build was rebuilt or replayed meanwhile, somebody has to "
            "decide which one counts."
        ),
        (
            "A run that somebody takes out of Jenkins' queue while the bot is down for more than "
            "five minutes is not known any more."
        ),
        (
            "Passwords are not supported, because they need a crumb and a session; an "
            "API token needs neither."
        ),
        (
            "Notices are sent by the Jenkinsfile itself; a build that is killed before it can "
            "send one is seen by polling."
        ),
    ),
)
