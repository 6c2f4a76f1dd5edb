"""Jenkins set up well and badly: notices, `gonogo doctor`, credentials, options."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports.ci import RunHint, StartRequest
from bot.providers.ci.jenkins.doctor import address
from bot.providers.ci.jenkins.kind import GIT_TOKEN, KIND, TOKEN, WEBHOOK_SECRET
from bot.providers.ci.jenkins.provider import Jenkins
from bot.providers.ci.jenkins.webhook import HEADER, sign
from tests.providers.ci.jenkins_fake import PASSWORD, pruned
from tests.providers.ci.jenkins_lab import SECRET

if TYPE_CHECKING:
    from tests.providers.ci.jenkins_lab import JenkinsLab


class TestNotices:
    def notice(
        self, told: Any, *, secret: str = SECRET, age: timedelta = timedelta()
    ) -> tuple[dict[str, str], bytes]:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        return {HEADER: sign(secret, body, datetime.now(UTC) - age)}, body

    def test_a_signed_notice_names_its_run(self, jenkins: JenkinsLab) -> None:
        headers, body = self.notice(
            {"correlation": "shop-1:canary-25", "build": 7, "state": "SUCCESS"}
        )
        hint = jenkins.ci.parse_webhook(
            {name.lower(): value for name, value in headers.items()}, body
        )
        assert (hint.run, hint.correlation) == ("shop-1:canary-25", "shop-1:canary-25")
        assert hint.delivery.startswith("7:SUCCESS:")

    def test_a_build_that_a_person_started_concerns_no_run(self, jenkins: JenkinsLab) -> None:
        hint = jenkins.ci.parse_webhook(
            *self.notice({"correlation": "", "build": 7, "state": "SUCCESS"})
        )
        assert isinstance(hint, RunHint)
        assert hint.run == ""

    @pytest.mark.parametrize(
        "header", ["", "t=1,v1=", "v1=abc", f"t=1,v1={'0' * 64}", "t=x,v1=y", f"t=1,v1={'é' * 64}"]
    )
    def test_a_notice_without_a_good_signature_is_refused(
        self, jenkins: JenkinsLab, header: str
    ) -> None:
        with pytest.raises(IntegrationError) as refused:
            jenkins.ci.parse_webhook({HEADER: header} if header else {}, b"{}")
        assert refused.value.status == 401

    def test_a_changed_body_another_secret_and_no_secret_are_refused(
        self, jenkins: JenkinsLab
    ) -> None:
        headers, body = self.notice({"correlation": "shop-1:canary-25"})
        silent = jenkins.provider({WEBHOOK_SECRET: ""})
        for ci, given in (
            (jenkins.ci, (headers, body + b" ")),
            (jenkins.ci, self.notice({}, secret="other")),
            (silent, self.notice({}, secret="")),
        ):
            with pytest.raises(IntegrationError) as refused:
                ci.parse_webhook(*given)
            assert refused.value.status == 401

    @pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-6)])
    def test_a_notice_from_another_time_is_refused(
        self, jenkins: JenkinsLab, age: timedelta
    ) -> None:
        with pytest.raises(IntegrationError, match="too old, or a clock is wrong") as refused:
            jenkins.ci.parse_webhook(*self.notice({"correlation": "x"}, age=age))
        assert refused.value.status == 401

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'"x"', b'{"correlation": 7}', b"\xff", b"[" * 100_000]
    )
    def test_a_signed_notice_that_cannot_be_read_is_said_so(
        self, jenkins: JenkinsLab, body: bytes
    ) -> None:
        with pytest.raises(IntegrationError) as refused:
            jenkins.ci.parse_webhook(*self.notice(body))
        assert refused.value.status == 400


class TestExamining:
    async def findings(self, ci: Jenkins) -> dict[str, tuple[bool | None, str]]:
        return {
            each.subject: (each.ok, f"{each.sentence} {each.remedy}".strip())
            for each in await ci.examine()
        }

    async def test_a_good_setup_is_found_good_and_nothing_is_started(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.commit("first")
        found = await self.findings(jenkins.ci)
        assert {subject: ok for subject, (ok, _) in found.items()} == {
            "address": True, "token": True, "clock": True, "job": True,
            "permissions": None, "stages": True, "tests": True,
            "repository": True, "webhook": True,
        }  # fmt: skip
        assert found["token"][1] == "Jenkins 2.462.3 knows us as gonogo."
        assert not any(request.method == "POST" for request in jenkins.fake.requests)

    async def test_each_mistake_has_a_remedy(self, jenkins: JenkinsLab) -> None:
        jenkins.job.parameters = ("CORRELATION_ID",)
        jenkins.fake.stage_plugin = False
        jenkins.fake.skew = 400.0
        jenkins.world.add_build(jenkins.tests, result="SUCCESS")
        ci = jenkins.provider({WEBHOOK_SECRET: ""}, repository=str(jenkins.folder / "nowhere"))
        found = await self.findings(ci)
        assert "does not declare ACTION, SERVICE, ENVIRONMENT" in found["job"][1]
        assert "run the job once by hand" in found["job"][1]
        assert "Pipeline: REST API" in found["stages"][1]
        assert "differ by" in found["clock"][1]
        assert "git plugin" in found["tests"][1]
        assert "The repository cannot be read" in found["repository"][1]
        assert "polling alone" in found["webhook"][1]
        assert (
            found["job"][0]
            is found["clock"][0]
            is found["tests"][0]
            is found["repository"][0]
            is False
        )

    @pytest.mark.parametrize("fault", ["401", "403", "404", "500", "truncated", "lost"])
    async def test_a_jenkins_that_does_not_answer_is_a_finding_and_no_error(
        self, jenkins: JenkinsLab, fault: str
    ) -> None:
        jenkins.break_next(fault, times=100)
        found = await self.findings(jenkins.ci)
        assert (found["token"][0], found["job"][0]) == (False, False)

    async def test_a_jenkins_that_lets_anybody_in_and_a_server_that_is_no_jenkins_are_findings(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.fake.is_anonymous = True
        assert (await self.findings(jenkins.ci))["token"][1].startswith(
            "Jenkins does not know who we are."
        )
        jenkins.fake.is_jenkins = False
        found = await self.findings(jenkins.provider(tests=""))
        assert [found[subject][0] for subject in ("token", "job", "tests")] == [False, False, None]
        with pytest.raises(IntegrationError, match="Is this address a Jenkins"):
            await jenkins.ci.look("shop-1:deploy")

    def test_a_token_in_clear_text_is_a_finding(self) -> None:
        told = [
            address(f"{url}/job/shop")
            for url in ("http://ci.example.com", "https://ci.example.com", "http://127.0.0.1:8080")
        ]
        assert [each.ok for each in told] == [False, True, True]
        assert told[0].remedy == "Use https:// in ci.url."

    async def test_a_job_that_is_not_there_or_disabled_is_a_finding(
        self, jenkins: JenkinsLab
    ) -> None:
        found = await self.findings(jenkins.provider(job="team/shopp"))
        assert "404" in found["job"][1]
        jenkins.job.enabled = False
        assert (await self.findings(jenkins.ci))["job"] == (
            False,
            "team/shop is disabled. Enable it in Jenkins.",
        )


class TestCredentials:
    async def test_a_wrong_token_is_said_so_and_never_printed(self, jenkins: JenkinsLab) -> None:
        ci = jenkins.provider({TOKEN: "11wrong"})
        with pytest.raises(
            IntegrationError, match="the token is wrong, expired or revoked"
        ) as refused:
            await ci.start(
                StartRequest("shop-1:deploy", jenkins.commit("first"), "production", "deploy")
            )
        assert not refused.value.retry
        assert "11wrong" not in str(refused.value)

    async def test_a_password_reads_and_cannot_start(self, jenkins: JenkinsLab) -> None:
        ci = jenkins.provider({TOKEN: PASSWORD})
        assert await ci.find("shop-1:canary-25") is None
        with pytest.raises(IntegrationError, match="403") as refused:
            await ci.start(
                StartRequest("shop-1:deploy", jenkins.commit("first"), "production", "deploy")
            )
        assert not refused.value.retry
        (token,) = (each for each in await ci.examine() if each.subject == "token")
        assert token.ok is None
        assert "a password can start nothing" in token.sentence

    @pytest.mark.parametrize("token", ["one\ntwo", "one\n"])
    async def test_a_git_token_that_was_not_copied_alone_is_said_so_at_the_start(
        self, jenkins: JenkinsLab, token: str
    ) -> None:
        with pytest.raises(
            ConfigurationError, match=f"{GIT_TOKEN}: contains spaces, line breaks"
        ) as wrong:
            jenkins.provider({GIT_TOKEN: token}, repository="https://git.example.com/shop.git")
        assert "one" not in str(wrong.value).replace("alone", "")


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"url": "ci.example.com"}, "services.shop.ci.url: give the address of Jenkins"),
            ({"url": "https://ana:secret@ci.example.com"}, "without a user in it"),
            ({"url": ""}, "services.shop.ci.url: this is needed"),
            (
                {"job": "team/../shop"},
                'services.shop.ci.job: "team/../shop" is not the name of a job',
            ),
            ({"job": 7}, "services.shop.ci.job: this is needed"),
            ({"tests": "team//x"}, "services.shop.ci.tests"),
            (
                {"repository": "https://ana:secret@git.example.com/shop"},
                "services.shop.ci: repository has a password in it",
            ),
            ({"stages": "build"}, "services.shop.ci.stages: give a list of names"),
        ],
    )
    async def test_options_that_make_no_sense_are_refused_with_their_place(
        self, jenkins: JenkinsLab, options: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            KIND.build(jenkins.context(**options))
        assert words in str(refused.value)
        assert "secret" not in str(refused.value)

    async def test_a_missing_token_is_refused_by_name(self, jenkins: JenkinsLab) -> None:
        with pytest.raises(ConfigurationError, match="GONOGO_JENKINS_TOKEN is not set"):
            KIND.build(jenkins.context({TOKEN: ""}))

    async def test_a_git_token_is_for_https_alone(self, jenkins: JenkinsLab) -> None:
        with pytest.raises(ConfigurationError, match="only sent to an https:// address"):
            KIND.build(jenkins.context({GIT_TOKEN: "t0ken"}))

    def test_every_option_secret_and_limit_is_a_sentence_for_the_reference(self) -> None:
        assert {name for name, option in KIND.options.items() if option.required} == {
            "url",
            "user",
            "job",
            "repository",
        }
        assert all(each.name.startswith("GONOGO_JENKINS_") for each in KIND.secrets)
        assert all(limit.endswith(".") for limit in KIND.limits)


class TestTheFake:
    def test_an_answer_holds_only_what_is_asked_for(self) -> None:
        data = {
            "_class": "x",
            "number": 1,
            "builds": [{"number": 3, "result": "A"}, {"number": 2, "result": "B"}],
        }
        assert pruned(data, "builds[number]{1,2}") == {"_class": "x", "builds": [{"number": 2}]}
        for wrong in ("builds[number", "builds[]", "a b"):
            with pytest.raises(ValueError, match=r".*"):
                pruned(data, wrong)
