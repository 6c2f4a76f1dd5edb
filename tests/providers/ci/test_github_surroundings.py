"""What stands beside the tests of a commit at GitHub: alerts and reviews, shown, and blocking only
where that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.quality import QualityState
from bot.providers.ci.github import surroundings
from tests.providers.ci.github_door import TOKEN
from tests.providers.ci.github_world import Pull

if TYPE_CHECKING:
    from bot.ports.ci import Quality
    from tests.providers.ci.github_lab import GitHubLab

SEES_ALL = {
    "security_events": "read",
    "vulnerability_alerts": "read",
    "pull_requests": "read",
    "checks": "read",
}


@pytest.fixture
def open_eyed(github: GitHubLab) -> GitHubLab:
    """Give GitHub with a token that may read alerts and pull requests, and nothing wrong."""
    github.github.tokens[TOKEN] |= SEES_ALL
    github.world.scanned, github.world.advisories = [], []
    return github


async def judged(lab: GitHubLab, commit: str, alerts: str = "show") -> Quality:
    lab.options["alerts"] = alerts
    return await lab.provider().quality(commit)


class TestShowing:
    async def test_nothing_open_and_nobody_asked_is_said(self, open_eyed: GitHubLab) -> None:
        found = await judged(open_eyed, open_eyed.commit("first"))
        assert found.state is QualityState.GREEN
        assert found.sentence.split("; ") == [
            "1 check passed", "code scanning: nothing critical or high",
            "dependency alerts: nothing critical or high",
            "no pull request leads to this commit",
        ]  # fmt: skip

    async def test_open_alerts_are_counted_and_do_not_block(self, open_eyed: GitHubLab) -> None:
        open_eyed.world.scanned = ["critical", "high", "low", None, *["high"] * 120]
        open_eyed.world.advisories = ["critical", "critical", "medium"]
        found = await judged(open_eyed, open_eyed.commit("first"))
        assert found.state is QualityState.GREEN
        assert (
            "code scanning: 1 critical, 121 high; dependency alerts: 2 critical;" in found.sentence
        )

    async def test_more_alerts_than_are_counted_are_said_to_be_perhaps_more(
        self, open_eyed: GitHubLab
    ) -> None:
        open_eyed.world.scanned = ["high"] * 1001
        open_eyed.world.advisories = ["high"] * 101
        found = await judged(open_eyed, open_eyed.commit("first"))
        assert (
            "code scanning: 1000 high, perhaps more; dependency alerts: 100 high, perhaps more"
            in found.sentence
        )

    async def test_what_is_off_or_not_permitted_is_not_available(self, github: GitHubLab) -> None:
        github.github.tokens[TOKEN] |= {"vulnerability_alerts": "read", "security_events": "read"}
        found = await judged(github, github.commit("first"))
        assert found.sentence.endswith(
            "; not available: code scanning, dependency alerts, pull request"
        )

    @pytest.mark.parametrize("fault", ["500", "timeout", "truncated", "{}"])
    async def test_trouble_with_them_leaves_the_tests_as_they_are(
        self, open_eyed: GitHubLab, fault: str
    ) -> None:
        commit = open_eyed.commit("first")
        open_eyed.break_next(fault, path="alerts", times=50)
        found = await judged(open_eyed, commit)
        assert found.state is QualityState.GREEN
        assert "not available: code scanning, dependency alerts" in found.sentence

    async def test_off_asks_for_nothing(self, open_eyed: GitHubLab) -> None:
        assert (
            await judged(open_eyed, open_eyed.commit("first"), "off")
        ).sentence == "1 check passed"
        assert not any("alerts" in line or "/pulls" in line for line in open_eyed.github.requests)


class TestReviews:
    async def test_the_pull_request_that_was_merged_as_the_commit_is_named(
        self, open_eyed: GitHubLab
    ) -> None:
        commit = open_eyed.commit("first")
        given = [
            ("di", "CHANGES_REQUESTED"),
            ("cy", "APPROVED"),
            ("di", "APPROVED"),
            ("cy", "COMMENTED"),
        ]
        open_eyed.world.pulls = [Pull(12, commit, reviews=given), Pull(13, commit, merged=False)]
        assert (await judged(open_eyed, commit)).sentence.endswith(
            "; pull request #12: approved by cy, di"
        )

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ([], "no approval"),
            ([("cy", "COMMENTED")], "no approval"),
            ([("cy", "APPROVED"), ("cy", "DISMISSED")], "no approval"),
            ([("cy", "APPROVED"), ("di", "CHANGES_REQUESTED")], "changes asked for by di"),
            (
                [(who, "APPROVED") for who in ("di", "cy", "bo", "ana", "")],
                "approved by ana, bo, cy and 2 more",
            ),
        ],
    )
    async def test_the_last_word_of_each_reviewer_counts(
        self, open_eyed: GitHubLab, given: list[tuple[str, str]], said: str
    ) -> None:
        commit = open_eyed.commit("first")
        open_eyed.world.pulls = [Pull(12, commit, reviews=given)]
        found = await judged(open_eyed, commit)
        assert (found.state, found.sentence.endswith(f"; pull request #12: {said}")) == (
            QualityState.GREEN,
            True,
        )

    def test_of_several_the_merged_one_is_picked_and_else_the_newest(self) -> None:
        def pull(number: int, **more: Any) -> dict[str, Any]:
            return {"number": number, **more}

        merged = {"merged_at": "2026-01-01T00:00:00Z"}
        ours, other = (
            pull(1, **merged, merge_commit_sha="c"),
            pull(2, **merged, merge_commit_sha="d"),
        )
        assert surroundings.pull_of([pull(3), other, ours], "c") == ours
        assert surroundings.pull_of([pull(3), other], "c") == other
        assert surroundings.pull_of([pull(3), pull(4)], "c") == pull(4)
        assert surroundings.pull_of([], "c") is None


class TestBlocking:
    @pytest.mark.parametrize(("code", "dependencies"), [(["critical"], []), ([], ["critical"])])
    async def test_a_critical_alert_is_red_where_that_is_asked_for(
        self, open_eyed: GitHubLab, code: list[str | None], dependencies: list[str]
    ) -> None:
        open_eyed.world.scanned, open_eyed.world.advisories = code, dependencies
        found = await judged(open_eyed, open_eyed.commit("first"), "block")
        assert found.state is QualityState.RED
        assert found.sentence.startswith(
            "critical alerts are open, and alerts: block is set; 1 check passed; "
        )

    async def test_a_critical_alert_behind_a_hundred_newer_high_ones_blocks(
        self, open_eyed: GitHubLab
    ) -> None:
        open_eyed.world.advisories = ["high"] * 120 + ["critical"]
        found = await judged(open_eyed, open_eyed.commit("first"), "block")
        assert found.state is QualityState.RED
        assert "dependency alerts: 1 critical, 100 high, perhaps more" in found.sentence

    async def test_high_alerts_and_reviews_do_not_block(self, open_eyed: GitHubLab) -> None:
        commit = open_eyed.commit("first")
        open_eyed.world.scanned = ["high", "low"]
        open_eyed.world.pulls = [Pull(12, commit, reviews=[("di", "CHANGES_REQUESTED")])]
        assert (await judged(open_eyed, commit, "block")).state is QualityState.GREEN

    async def test_tests_that_failed_stay_red_and_are_named(self, open_eyed: GitHubLab) -> None:
        found = await judged(open_eyed, open_eyed.commit("first", tests="false"), "block")
        assert (found.state, found.sentence.startswith("unit failed; ")) == (QualityState.RED, True)

    @pytest.mark.case("ci-and-refs-15")
    @pytest.mark.parametrize("kind", ["code scanning", "dependency alerts"])
    async def test_alerts_that_may_not_be_read_are_unknown_and_not_green(
        self, open_eyed: GitHubLab, kind: str
    ) -> None:
        if kind == "code scanning":
            open_eyed.world.scanned = None
        else:
            open_eyed.world.advisories = None
        with pytest.raises(
            IntegrationError, match=f"does not show {kind}: .* or set alerts: show"
        ) as caught:
            await judged(open_eyed, open_eyed.commit("first"), "block")
        assert not caught.value.retry

    @pytest.mark.case("ci-and-refs-15")
    async def test_what_is_red_already_is_red_whatever_may_not_be_read(
        self, open_eyed: GitHubLab
    ) -> None:
        open_eyed.world.scanned, open_eyed.world.advisories = None, ["critical"]
        assert (
            await judged(open_eyed, open_eyed.commit("first"), "block")
        ).state is QualityState.RED

    async def test_github_not_answering_is_not_taken_for_no_alerts(
        self, open_eyed: GitHubLab
    ) -> None:
        commit = open_eyed.commit("first")
        open_eyed.break_next("500", path="code-scanning", times=50)
        with pytest.raises(IntegrationError) as caught:
            await judged(open_eyed, commit, "block")
        assert caught.value.retry

    async def test_the_doctor_says_when_there_is_nothing_that_could_block(
        self, open_eyed: GitHubLab
    ) -> None:
        open_eyed.commit("first")
        open_eyed.options["alerts"] = "block"
        found = {finding.subject: finding for finding in await open_eyed.provider().examine()}
        assert found["alerts"].ok
        open_eyed.world.scanned = None
        found = {finding.subject: finding for finding in await open_eyed.provider().examine()}
        assert (
            found["alerts"].ok,
            "may not be read: code scanning." in found["alerts"].sentence,
        ) == (False, True)

    async def test_the_doctor_asks_only_where_alerts_block(self, open_eyed: GitHubLab) -> None:
        open_eyed.commit("first")
        assert "alerts" not in {finding.subject for finding in await open_eyed.ci.examine()}

    def test_another_word_is_refused(self, github: GitHubLab) -> None:
        github.options["alerts"] = "maybe"
        with pytest.raises(ConfigurationError, match="write show, block or off"):
            github.provider()
