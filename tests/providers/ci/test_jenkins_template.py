"""The Jenkinsfile that we give away, and the page that explains it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.ports.ci import RunHint
from bot.providers.ci.jenkins.kind import KIND
from bot.providers.ci.jenkins.reading import PARAMETERS
from tests.providers.ci.jenkins_lab import SECRET

if TYPE_CHECKING:
    from bot.providers.ci.jenkins.provider import Jenkins
    from tests.providers.ci.jenkins_lab import JenkinsLab

ROOT = Path(__file__).parents[3]
TEMPLATE = (ROOT / "templates/ci/jenkins/Jenkinsfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/how-to/jenkins.md").read_text(encoding="utf-8")


async def tell(ci: Jenkins, correlation: str, state: str) -> list[RunHint | int | None]:
    """Run the shell script of the template against a receiver, as an agent would."""
    (script,) = re.findall(r"script: '''\n(.*?)'''", TEMPLATE, re.DOTALL)
    told: list[RunHint | int | None] = []

    async def receive(request: web.Request) -> web.Response:
        told.append(ci.parse_webhook(request.headers, await request.read()))
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/webhooks/ci/jenkins", receive)
    async with TestServer(application, host="127.0.0.1") as server:
        given = {
            "PATH": os.environ["PATH"], "CORRELATION_ID": correlation,
            "BUILD_NUMBER": "7", "GONOGO_STATE": state,
            "GONOGO_SECRET": SECRET, "GONOGO_URL": str(server.make_url("")).rstrip("/"),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            "sh", "-xe", "-c", textwrap.dedent(script), env=given, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
    assert SECRET not in errors.decode(), "the log of the build would show the secret"
    return [*told, process.returncode]


needs_tools = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")),
    reason="runs curl and openssl, as an agent does",
)


@needs_tools
async def test_the_notice_that_the_template_sends_is_taken_for_what_it_is(
    jenkins: JenkinsLab,
) -> None:
    hint, code = await tell(jenkins.ci, "shop-1:canary-25", "SUCCESS")
    assert code == 0
    assert isinstance(hint, RunHint)
    assert (hint.run, hint.delivery.rpartition(":")[0]) == ("shop-1:canary-25", "7:SUCCESS")


@needs_tools
async def test_a_run_by_hand_tells_nothing_that_concerns_anybody(jenkins: JenkinsLab) -> None:
    hint, code = await tell(jenkins.ci, "", "FAILURE")
    assert code == 0
    assert isinstance(hint, RunHint)
    assert hint.run == ""


def test_the_template_declares_every_parameter_that_is_sent() -> None:
    assert tuple(re.findall(r"(?:string|choice)\(name: '(\w+)'", TEMPLATE)) == PARAMETERS
    assert "choices: ['deploy', 'smoke', 'rollback']" in TEMPLATE


def test_the_page_names_the_stages_of_the_template_in_their_order() -> None:
    stages = re.findall(r"stage\('([^']+)'\)", TEMPLATE)
    assert f"stages: [{', '.join(stages)}]" in PAGE


def test_a_rollback_does_not_wait_for_a_build() -> None:
    conditions = dict(
        re.findall(
            r"stage\('([^']+)'\) \{\s+when \{ expression \{ params\.ACTION (.. '\w+') \} \}",
            TEMPLATE,
        )
    )
    assert conditions == {"build": "== 'deploy'", "release": "!= 'smoke'", "smoke": "== 'smoke'"}


def test_the_page_names_every_parameter_option_and_secret() -> None:
    names = [*PARAMETERS, *KIND.options, *(each.name for each in KIND.secrets)]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_no_parameter_reaches_a_shell_through_groovy() -> None:
    assert not re.search(r'^\s*sh\s*\(?\s*"', TEMPLATE, re.MULTILINE)


def test_the_template_is_in_balance() -> None:
    code = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "", TEMPLATE, flags=re.DOTALL)
    assert all(
        code.count(opening) == code.count(closing) for opening, closing in ("{}", "()", "[]")
    )
