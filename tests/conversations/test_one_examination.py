"""Options and secrets are examined once, and check-config, the doctor and the
start say the same sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from bot.app import running
from bot.check import check
from bot.doctor import examine
from bot.domain.errors import ConfigurationError
from bot.registry import known_kinds
from bot.settings import Settings
from tests.providers.ci.github_app import private_key

FILE = """\
version: 1
team: T1
channel: C1
roles: {developer: {people: [U1]}, lead: {people: [U2]}}
permissions: {deploy: [developer], view: [developer]}
services:
  shop:
    ci: {CI}
    metrics: {METRICS}
    on_call: none
    WATCH
    environments:
      production: {checklist: [], approvals: [{role: lead}], TARGETS}
"""
ERRORS = (
    "{key: errors, title: errors, kind: ratio, query: {numerator: failed_total, "
    "denominator: requests_total}}"
)
GITHUB = "provider: github, repository: acme/shop"
GITLAB = "provider: gitlab, project: acme/shop"
JENKINS = "provider: jenkins, url: http://127.0.0.1:9, user: bot, job: shop, repository: /srv/shop"
BUILDBOT = (
    "provider: buildbot, url: http://127.0.0.1:9, builder: shop, scheduler: "
    "shop, repository: /srv/shop"
)
SLACK = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "s" * 32,
    "SLACK_API_URL": "http://127.0.0.1:9/api/",
}
TOKEN = {"GONOGO_GITHUB_TOKEN": "ghp_1"}
APP = {"GONOGO_GITHUB_APP_ID": "1", "GONOGO_GITHUB_APP_KEY": "-----BEGIN NOTHING-----"}


KEY = private_key()


@dataclass(frozen=True)
class Bad:
    """One mistake: what the file says, what the environment says, and the sentence
    that every door has for it.
    """

    sentence: str
    ci: str = "provider: local, repository: shop"
    metrics: str = "provider: scrape"
    watch: str = f"watch: [{ERRORS}]"
    targets: str = 'targets: {endpoints: ["http://127.0.0.1:9/metrics"]}'
    environment: Mapping[str, str] = field(default_factory=dict)

    def file(self) -> str:
        metrics = f"{{{self.metrics}}}" if "provider" in self.metrics else self.metrics
        text = FILE.replace("{CI}", f"{{{self.ci}}}").replace("{METRICS}", metrics)
        return text.replace("WATCH", self.watch).replace("TARGETS", self.targets)


BAD = {
    "a repository as URL": Bad(
        (
            'gonogo.yaml:8: services.shop.ci.repository: "https://github.com/acme/shop" does '
            "not do; write owner/name"
        ),
        ci="provider: github, repository: https://github.com/acme/shop",
        environment=TOKEN,
    ),
    "a clone as URL": Bad(
        'services.shop.ci.repository: "https://github.com/acme/shop.git" is no path. Clone it here',
        ci="provider: local, repository: https://github.com/acme/shop.git",
    ),
    "variables that are none": Bad(
        "services.shop.ci.environment: should be a mapping",
        ci="provider: local, repository: shop, environment: 5",
    ),
    "a list as a variable": Bad(
        "services.shop.ci.environment.A: is no variable",
        ci="provider: local, repository: shop, environment: {A: [1]}",
    ),
    "an api without TLS": Bad(
        'services.shop.ci.api: "http://git.example.com" does not do',
        ci=f"{GITHUB}, api: http://git.example.com",
        environment=TOKEN,
    ),
    "a protection rule without an App": Bad(
        'services.shop.ci.protection: "on" does not do; a protection rule needs a GitHub App',
        ci=f"{GITHUB}, protection: on",
        environment=TOKEN,
    ),
    "checks as a number": Bad(
        'services.shop.ci.checks: "5" does not do', ci=f"{GITHUB}, checks: 5", environment=TOKEN
    ),
    "a workflow as a path": Bad(
        "services.shop.ci.workflow:",
        ci=f"{GITHUB}, workflow: .github/workflows/deploy.yml",
        environment=TOKEN,
    ),
    "a branch with a space": Bad(
        "services.shop.ci.ref:", ci=f'{GITHUB}, ref: "my branch"', environment=TOKEN
    ),
    "a token with a space": Bad(
        "GONOGO_GITHUB_TOKEN: contains spaces",
        ci=GITHUB,
        environment={"GONOGO_GITHUB_TOKEN": "hello world"},
    ),
    "a key that is not PEM": Bad(
        "GONOGO_GITHUB_APP_KEY: is not a private key.", ci=GITHUB, environment=APP
    ),
    "a webhook secret with a line break": Bad(
        "GONOGO_GITHUB_WEBHOOK_SECRET: contains a line break",
        ci=GITHUB,
        environment={**TOKEN, "GONOGO_GITHUB_WEBHOOK_SECRET": "a\nb"},
    ),
    "a project as URL": Bad(
        'services.shop.ci: project "https://gitlab.com/acme/shop" is no path',
        ci="provider: gitlab, project: https://gitlab.com/acme/shop",
        environment={"GONOGO_GITLAB_TOKEN": "glpat-1"},
    ),
    "GitLab without TLS": Bad(
        "services.shop.ci: api must be an https address",
        ci=f"{GITLAB}, api: http://git.example.com",
        environment={"GONOGO_GITLAB_TOKEN": "glpat-1"},
    ),
    "a Jenkins token with a space": Bad(
        "GONOGO_JENKINS_TOKEN: contains spaces",
        ci=JENKINS,
        environment={"GONOGO_JENKINS_TOKEN": "hello world"},
    ),
    "stages that are no list": Bad(
        "services.shop.ci.stages: give a list of names",
        ci=f"{JENKINS}, stages: build",
        environment={"GONOGO_JENKINS_TOKEN": "x"},
    ),
    "a job that cannot be one": Bad(
        "services.shop.ci.job:",
        ci=JENKINS.replace("job: shop", 'job: "../shop"'),
        environment={"GONOGO_JENKINS_TOKEN": "x"},
    ),
    "tests that are a list": Bad(
        "services.shop.ci: the provider buildbot needs the option tests",
        ci=f"{BUILDBOT}, tests: [a]",
    ),
    "endpoint for endpoints": Bad(
        (
            "gonogo.yaml:13: services.shop.environments.production.targets.endpoint: scrape "
            'knows no target "endpoint".'
        ),
        targets='targets: {endpoint: "http://127.0.0.1:9/metrics"}',
    ),
    "no endpoint": Bad(
        "services.shop.environments.production.targets.endpoints: names no endpoint",
        targets="targets: {endpoints: []}",
    ),
    "no targets at all": Bad(
        "gonogo.yaml:13: services.shop.environments.production: names no endpoint",
        targets="smoke: true",
    ),
    "an endpoint that is no address": Bad(
        'targets.endpoints: "nowhere" is no address', targets="targets: {endpoints: [nowhere]}"
    ),
    "an interval of an hour and more": Bad(
        'services.shop.metrics.every: "2:00:00" is no duration up to an hour',
        metrics="provider: scrape, every: 2h",
    ),
    "a label that is a number": Bad(
        "services.shop.metrics.commit_label:", metrics="provider: scrape, commit_label: 5"
    ),
    "a query of nothing": Bad(
        'gonogo.yaml:11: services.shop.watch.0.query: metric "errors": query needs denominator',
        watch=f"watch: [{ERRORS.replace(', denominator: requests_total', '')}]",
    ),
    "a query that cannot be read": Bad(
        'gonogo.yaml:11: services.shop.watch.0.query: metric "errors": numerator:',
        watch=f"watch: [{ERRORS.replace('failed_total', 'failed-total')}]",
    ),
    "a repository with its ending": Bad(
        (
            'services.shop.ci.repository: "acme/shop.git" does not do; write owner/name, as in '
            "acme/storefront, without .git"
        ),
        ci="provider: github, repository: acme/shop.git",
        environment=TOKEN,
    ),
    "a webhook secret of one sign": Bad(
        "GONOGO_GITHUB_WEBHOOK_SECRET: is shorter than 16 signs, so that it can be guessed",
        ci=GITHUB,
        environment={**TOKEN, "GONOGO_GITHUB_WEBHOOK_SECRET": "x"},
    ),
    "a webhook token of one sign": Bad(
        "GONOGO_GITLAB_WEBHOOK_TOKEN: is shorter than 16 signs",
        ci=GITLAB,
        environment={"GONOGO_GITLAB_TOKEN": "glpat-1", "GONOGO_GITLAB_WEBHOOK_TOKEN": "x"},
    ),
    "a token beside an App": Bad(
        (
            "services.shop.ci: GONOGO_GITHUB_TOKEN is set beside an App, which "
            "would be used. Take one out."
        ),
        ci=GITHUB,
        environment={**TOKEN, "GONOGO_GITHUB_APP_ID": "1", "GONOGO_GITHUB_APP_KEY": KEY},
    ),
    "a user with a colon": Bad(
        "services.shop.ci.user: is no name of an account: it has a colon",
        ci=JENKINS.replace("user: bot", 'user: "bo:t"'),
        environment={"GONOGO_JENKINS_TOKEN": "x"},
    ),
    "a Buildbot account with a colon": Bad(
        "GONOGO_BUILDBOT_USER: is no name of an account",
        ci=BUILDBOT,
        environment={"GONOGO_BUILDBOT_USER": "bo:t", "GONOGO_BUILDBOT_PASSWORD": "p"},
    ),
    "a project that is a fraction": Bad(
        "services.shop.ci.project: gitlab needs project; write it as text, in quotes.",
        ci="provider: gitlab, project: 1.5",
        environment={"GONOGO_GITLAB_TOKEN": "glpat-1"},
    ),
    "metrics that are a provider's name": Bad(
        (
            "services.shop.metrics: should be none, or a mapping that names a provider, as in "
            "{provider: NAME} with its options."
        ),
        metrics="scrape",
    ),
    "an option that is not there": Bad(
        (
            'services.shop.ci.repositry: there is no option of local "repositry". '
            "Did you mean repository?"
        ),
        ci="provider: local, repository: shop, repositry: x",
    ),
    "a channel's name": Bad(
        'services.shop.channel: "#deploys" is no channel id. It begins with C',
        watch=f'watch: [{ERRORS}]\n    channel: "#deploys"',
    ),
}


def settings(folder: Path, bad: Bad) -> Settings:
    (folder / "gonogo.yaml").write_text(bad.file(), encoding="utf-8")
    paths = {
        "GONOGO_CONFIG": str(folder / "gonogo.yaml"),
        "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'gonogo.db'}",
    }
    return Settings.read(
        {**SLACK, **paths, **bad.environment},
        secrets=[secret.name for secret in known_kinds().secrets],
    )


async def checked(at: Settings) -> str:
    return await asyncio.to_thread(check, at.gonogo_config, at)


async def examined(at: Settings) -> str:
    report, good = await examine(at)
    assert not good
    return report


async def started(at: Settings) -> str:
    async with running(at):
        return "it runs"


@pytest.mark.case("adoption-6")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_wrong_option_or_secret_is_said_alike_by_check_config_the_doctor_and_the_start(
    tmp_path: Path, bad: Bad
) -> None:
    said = []
    for door in (checked, examined, started):
        try:
            report = await door(settings(tmp_path, bad))
        except ConfigurationError as error:
            report = str(error)
        said.append(
            next(
                (
                    line.strip().removeprefix("✗ settings: ")
                    for line in report.splitlines()
                    if bad.sentence in line
                ),
                report,
            )
        )
    assert bad.sentence in said[0]
    assert said == [said[0]] * 3


@pytest.mark.case("adoption-6")
async def test_a_file_can_be_checked_without_its_secrets_and_the_bot_cannot_start(
    tmp_path: Path,
) -> None:
    at = settings(tmp_path, Bad("", ci=GITHUB))
    missing = "gonogo.yaml:8: services.shop.ci: GitHub asks who we are. Set GONOGO_GITHUB_TOKEN"
    assert f"Warning: the bot cannot run yet: {missing}" in await checked(at)
    assert f"✗ settings: {missing}" in await examined(at)
    with pytest.raises(ConfigurationError, match="GitHub asks who we are"):
        await started(at)


@pytest.mark.case("adoption-6")
async def test_the_id_of_a_project_may_be_written_as_a_number(tmp_path: Path) -> None:
    at = settings(
        tmp_path,
        Bad("", ci="provider: gitlab, project: 12", environment={"GONOGO_GITLAB_TOKEN": "glpat-1"}),
    )
    assert "is good." in await checked(at)


@pytest.mark.case("adoption-6")
@pytest.mark.case("adoption-8")
@pytest.mark.parametrize(
    ("ci", "said"),
    [
        (
            "provider: local, repository: nowhere",
            "nowhere is not a git repository. Clone it there, or correct ci.repository.",
        ),
        (
            "provider: local, repository: shop, user: nobodyxx",
            'There is no user "nobodyxx" on this machine. Make the user, or',
        ),
    ],
)
async def test_what_this_machine_has_not_is_said_by_check_config_and_by_the_bot_that_runs(
    tmp_path: Path, ci: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    at = settings(
        tmp_path,
        Bad("", ci=ci, targets="metrics: none", environment={"GONOGO_LISTEN": "127.0.0.1:0"}),
    )
    warnings = [line for line in (await checked(at)).splitlines() if said in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("Warning: the bot cannot run yet: services.shop.ci: ")
    async with (
        running(at) as bot,
        aiohttp.ClientSession() as session,
        session.get(f"{bot.url}/readyz") as answer,
    ):
        assert said in (await answer.json())["worries"]["ci"]
    assert "Traceback" not in capsys.readouterr().err
