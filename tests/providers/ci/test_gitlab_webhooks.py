"""GitLab's webhooks: who is believed, and what is read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import IntegrationError
from bot.ports.ci import RunHint, StartRequest
from bot.providers.ci.gitlab import webhook
from tests.providers.ci.gitlab_lab import WEBHOOK_TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab

KEY = b"k" * 32
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BODY = b'{"object_kind": "pipeline", "object_attributes": {"id": 31}}'
KEYS = st.sampled_from(
    [
        "object_kind",
        "object_attributes",
        "id",
        "pipeline_id",
        "source_pipeline",
        "variables",
        "key",
        "value",
        "name",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def signed(
    body: bytes = BODY, *, at: datetime = NOW, key: bytes = KEY, delivery: str = "d-1"
) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {
        "Webhook-Id": delivery, "Webhook-Timestamp": timestamp,
        "Webhook-Signature": webhook.signature(key, delivery, timestamp, body),
    }  # fmt: skip


def is_believed(
    headers: Mapping[str, str], body: bytes = BODY, *, key: bytes = KEY, token: str = ""
) -> bool:
    try:
        webhook.verify(headers, body, key=key, token=token, now=NOW)
    except IntegrationError as error:
        return (error.status, error.retry) != (401, False)
    return True


class TestBelieving:
    def test_the_published_example_of_standard_webhooks_fits(self) -> None:
        # The test vector of the Standard Webhooks libraries.
        key = webhook.signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        made = webhook.signature(
            key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
        )
        assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_a_signature_is_believed_whatever_the_case_of_the_names(self) -> None:
        assert is_believed(signed())
        assert is_believed({name.upper(): value for name, value in signed().items()})

    def test_one_of_several_signatures_is_enough_as_while_a_key_is_changed(self) -> None:
        headers = signed()
        assert is_believed(
            {**headers, "Webhook-Signature": f"v1,AAAA v2,x {headers['Webhook-Signature']}"}
        )

    @pytest.mark.parametrize("minutes", [-6, 6, 600])
    def test_what_is_old_or_from_the_future_is_not_believed(self, minutes: int) -> None:
        assert not is_believed(signed(at=NOW + timedelta(minutes=minutes)))

    @pytest.mark.parametrize("minutes", [-4, 4])
    def test_clocks_may_differ_a_little(self, minutes: int) -> None:
        assert is_believed(signed(at=NOW + timedelta(minutes=minutes)))

    @pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
    @pytest.mark.parametrize("value", ["", "x", "\u0661", "v1,", "d-2", "1"])
    def test_nothing_of_it_can_be_exchanged(self, name: str, value: str) -> None:
        assert not is_believed({**signed(), name: value})

    def test_another_body_or_another_key_is_not_believed(self) -> None:
        assert not is_believed(signed(), BODY + b" ")
        assert not is_believed(signed(key=b"x" * 32))

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-signature"])
    def test_bytes_that_are_no_text_are_not_believed(self, name: str) -> None:
        assert not is_believed({**signed(), name: "\udcff"})

    def test_the_old_token_is_believed_where_it_is_configured(self) -> None:
        assert is_believed({"X-Gitlab-Token": "secret"}, token="secret")
        assert is_believed({"x-gitlab-token": "secret"}, key=b"", token="secret")

    @pytest.mark.parametrize("sent", ["", "Secret", "secret ", "sécret", "secret\udcff"])
    def test_another_token_is_not(self, sent: str) -> None:
        assert not is_believed({"X-Gitlab-Token": sent}, token="secret")

    def test_without_any_secret_nothing_is_believed(self) -> None:
        assert not is_believed({"X-Gitlab-Token": ""}, key=b"")
        assert not is_believed({}, key=b"")
        assert not is_believed(signed(key=b""), key=b"")

    def test_a_wrong_signature_is_not_made_good_by_the_right_token(self) -> None:
        assert not is_believed({**signed(BODY + b" "), "X-Gitlab-Token": "secret"}, token="secret")


def read(data: Any, **headers: str) -> RunHint:
    return webhook.read(
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(data).encode(),
    )


class TestReading:
    """Payloads as in GitLab's doc/user/project/integrations/webhook_events.md, shortened."""

    def test_a_pipeline_event_names_its_pipeline_and_our_intent(self) -> None:
        listed = [
            {"key": "NESTOR_PROD_ENVIRONMENT", "value": "us-west-1"},
            {"key": "GONOGO_CORRELATION", "value": "shop-1:all"},
        ]
        attributes = {
            "id": 31,
            "iid": 3,
            "name": "Pipeline",
            "status": "success",
            "variables": listed,
            "sha": "b" * 40,
        }
        hint = read({"object_kind": "pipeline", "object_attributes": attributes}, webhook_id="d-1")
        assert hint == RunHint("31", "shop-1:all", "d-1", "b" * 40)

    @pytest.mark.parametrize("strange", [None, 7, {"id": "b" * 40}, "main", "b" * 41])
    def test_what_is_no_commit_is_none(self, strange: Any) -> None:
        assert (
            read(
                {"object_kind": "pipeline", "object_attributes": {"id": 31, "sha": strange}}
            ).commit
            == ""
        )

    def test_the_name_tells_the_intent_where_the_variables_do_not(self) -> None:
        hint = read(
            {
                "object_kind": "pipeline",
                "object_attributes": {"id": 31, "name": "gonogo shop-1:all", "variables": []},
            }
        )
        assert hint.correlation == "shop-1:all"

    def test_a_job_event_names_its_pipeline(self) -> None:
        assert (
            read(
                {
                    "object_kind": "build",
                    "build_id": 1977,
                    "build_status": "created",
                    "pipeline_id": 2366,
                }
            ).run
            == "2366"
        )

    @pytest.mark.parametrize("kind", ["pipeline", "build"])
    def test_an_event_of_a_child_names_the_pipeline_that_began_it(self, kind: str) -> None:
        data = {
            "object_kind": kind,
            "pipeline_id": 40,
            "object_attributes": {"id": 40},
            "source_pipeline": {"job_id": 3, "pipeline_id": 31},
        }
        assert read(data).run == "31"

    @pytest.mark.parametrize(
        "data",
        [
            {
                "object_kind": "deployment",
                "status": "success",
                "deployable_id": 796,
                "environment": "production",
            },
            {"object_kind": "push"},
            {},
            {"object_kind": "pipeline"},
            {"object_kind": "build", "pipeline_id": "../1"},
            {"object_kind": "pipeline", "object_attributes": {"id": True}},
            {"object_kind": "pipeline", "object_attributes": [1]},
        ],
    )
    def test_what_names_no_pipeline_wakes_nobody(self, data: dict[str, Any]) -> None:
        assert read(data).run == ""

    @pytest.mark.parametrize(
        ("headers", "delivery"),
        [
            ({"webhook_id": "a", "idempotency_key": "b"}, "a"),
            ({"Idempotency_Key": "b", "X_Gitlab_Event_UUID": "c"}, "b"),
            ({"X_Gitlab_Event_UUID": "c"}, "c"),
            ({}, ""),
        ],
    )
    def test_a_delivery_has_a_name_to_know_it_again(
        self, headers: dict[str, str], delivery: str
    ) -> None:
        assert read({}, **headers).delivery == delivery

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"7", b"\xff", pytest.param(b"[" * 100_000, id="too deep")]
    )
    def test_what_cannot_be_read_is_refused(self, body: bytes) -> None:
        with pytest.raises(IntegrationError) as refused:
            webhook.read({}, body)
        assert (refused.value.status, refused.value.retry) == (400, False)

    @settings(max_examples=60, deadline=None)
    @given(st.dictionaries(KEYS, JSON, max_size=4))
    def test_any_object_names_a_pipeline_or_none(self, data: dict[str, Any]) -> None:
        hint = read(data)
        assert hint.run == "" or hint.run.isdigit()


class TestProvider:
    async def test_a_signed_notice_names_the_run_that_the_bot_follows(
        self, gitlab: GitLabLab
    ) -> None:
        run = await gitlab.ci.start(
            StartRequest("shop-1:all", gitlab.commit("first"), "production", "deploy")
        )
        headers, body = gitlab.notice(run.id)
        assert gitlab.ci.parse_webhook(headers, body) == RunHint(run.id, "shop-1:all", "2f1a0b")

    async def test_a_forged_notice_is_refused_before_it_is_read(self, gitlab: GitLabLab) -> None:
        for body in (BODY, b"not json"):
            with pytest.raises(IntegrationError) as refused:
                gitlab.ci.parse_webhook({"X-Gitlab-Event": "Pipeline Hook"}, body)
            assert refused.value.status == 401

    async def test_the_old_way_still_works(self, gitlab: GitLabLab) -> None:
        assert gitlab.ci.parse_webhook({"X-Gitlab-Token": WEBHOOK_TOKEN}, BODY).run == "31"

    async def test_a_clock_that_is_wrong_refuses_signatures(self, gitlab: GitLabLab) -> None:
        headers = gitlab.signed("Pipeline Hook", BODY)
        gitlab.clock.skew = timedelta(minutes=10)
        with pytest.raises(IntegrationError):
            gitlab.ci.parse_webhook(headers, BODY)


@pytest.mark.parametrize(
    ("bytes_in_it", "good"), [(23, False), (24, True), (32, True), (64, True), (65, False)]
)
def test_a_signing_token_has_a_plausible_length(bytes_in_it: int, good: bool) -> None:
    token = f"whsec_{base64.b64encode(b'k' * bytes_in_it).decode()}"
    if good:
        assert len(webhook.signing_key(token)) == bytes_in_it
    else:
        with pytest.raises(ValueError, match=str(bytes_in_it)):
            webhook.signing_key(token)
