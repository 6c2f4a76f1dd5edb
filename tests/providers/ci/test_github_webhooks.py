"""GitHub's webhooks: authentic or refused, read or ignored; GitHub's own examples
among them (see NOTICE.md).
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import IntegrationError
from bot.ports.ci import RunHint
from bot.providers.ci.github import webhook

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab

SECRET = "It's a Secret to Everybody"
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    gzip.decompress((Path(__file__).parent / "github_webhooks.json.gz").read_bytes())
)


def signed(event: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": DELIVERY,
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def parse(headers: dict[str, str], body: bytes) -> RunHint:
    return webhook.parse(headers, body, secret=SECRET)


def read(event: str, payload: Any) -> RunHint:
    body = json.dumps(payload).encode()
    return parse(signed(event, body), body)


def refused(headers: dict[str, str], body: bytes) -> int | None:
    with pytest.raises(IntegrationError) as caught:
        parse(headers, body)
    assert not caught.value.retry
    return caught.value.status


def read_or_refused(event: str, body: bytes) -> None:
    try:
        parse(signed(event, body), body)
    except IntegrationError as error:
        if error.status != 400:
            raise


class TestGitHubsOwnExamples:
    def test_the_signature_is_the_one_in_githubs_documentation(self) -> None:
        expected = (
            # from the docs, "Testing the webhook payload validation"
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        )
        assert webhook.sign(SECRET, b"Hello, World!") == expected

    @pytest.mark.parametrize("payload", EXAMPLES["workflow_run"])
    def test_every_workflow_run_names_its_run_and_its_commit(self, payload: dict[str, Any]) -> None:
        hint = read("workflow_run", payload)
        run = payload["workflow_run"]
        assert hint == RunHint(str(run["id"]), "", DELIVERY, run["head_sha"])
        assert hint.commit

    @pytest.mark.parametrize("payload", EXAMPLES["workflow_job"])
    def test_every_workflow_job_names_its_run(self, payload: dict[str, Any]) -> None:
        hint = read("workflow_job", payload)
        assert hint == RunHint(str(payload["workflow_job"]["run_id"]), "", DELIVERY)

    @pytest.mark.parametrize("event", ["deployment", "deployment_status", "ping"])
    def test_other_events_name_no_run(self, event: str) -> None:
        for payload in EXAMPLES[event]:
            assert read(event, payload) == RunHint("", delivery=DELIVERY)


class TestReading:
    @pytest.mark.case("reliability-4")
    def test_what_tells_of_a_commits_checks_names_the_commit(self) -> None:
        commit = "3484a3fb816e0859fd6e1cea078d76385ff50625"
        assert read("check_suite", {"check_suite": {"head_sha": commit}}).commit == commit
        assert read("check_run", {"check_run": {"head_sha": commit}}).commit == commit
        assert read("status", {"sha": commit}).commit == commit
        assert read("push", {"after": commit, "sha": commit}).commit == ""

    @pytest.mark.parametrize(
        "strange", [None, 7, ["a" * 40], "HEAD", "a" * 39, "a" * 41, "../" + "a" * 40, "A" * 40]
    )
    def test_what_is_no_commit_is_none(self, strange: Any) -> None:
        assert read("status", {"sha": strange}) == RunHint("", delivery=DELIVERY)

    async def test_the_title_gives_the_correlation(self, github: GitHubLab) -> None:
        run = github.world
        commit = github.commit("first")
        started = run.dispatch(
            "deploy.yml",
            "main",
            {"commit": commit, "correlation": "shop-42:canary-25:smoke", "version": "v1"},
        )
        hint = github.ci.parse_webhook(*github.notice(str(started.id)))
        assert (hint.run, hint.correlation) == (str(started.id), "shop-42:canary-25:smoke")

    async def test_without_a_secret_nothing_is_taken(self, github: GitHubLab) -> None:
        body = b"{}"
        del github.secrets["GONOGO_GITHUB_WEBHOOK_SECRET"]
        with pytest.raises(IntegrationError) as caught:
            github.provider().parse_webhook(signed("ping", body, ""), body)
        assert caught.value.status == 401


class TestRefusing:
    @pytest.mark.parametrize(
        "signature", ["", "sha256=", "sha256=" + "0" * 64, "é", "sha256=\u0000"]
    )
    def test_a_wrong_signature_is_refused(self, signature: str) -> None:
        assert refused({**signed("ping", b"{}"), "X-Hub-Signature-256": signature}, b"{}") == 401

    def test_the_old_signature_alone_does_not_count(self) -> None:
        old = hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
        assert refused({"X-GitHub-Event": "ping", "X-Hub-Signature": f"sha1={old}"}, b"{}") == 401

    def test_a_body_of_another_delivery_is_refused(self) -> None:
        assert refused(signed("ping", b'{"a": 1}'), b'{"a": 2}') == 401

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"payload=%7B%7D",
            b"[]",
            b"null",
            b'"x"',
            b"\xff",
            b'{"workflow_run": 1}',
            b"{}",
            b"[" * 100_000,
        ],
    )
    def test_what_cannot_be_read_is_refused(self, body: bytes) -> None:
        assert refused(signed("workflow_run", body), body) == 400

    @given(st.sampled_from(["workflow_run", "workflow_job", "ping", ""]), st.binary())
    def test_no_signed_body_does_more_than_be_refused(self, event: str, body: bytes) -> None:
        read_or_refused(event, body)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["repository", "full_name", "workflow_run", "id", "path"]),
                    inner,
                )
            ),
        )
    )
    def test_no_signed_json_does_more_than_be_refused(self, payload: Any) -> None:
        read_or_refused("workflow_run", json.dumps(payload).encode())
