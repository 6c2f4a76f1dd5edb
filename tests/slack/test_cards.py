"""The card in every state: what it says, what it offers, and that nothing hostile gets through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from bot.domain.approvals import ApprovalNeed
from bot.domain.card import Card
from bot.domain.catalog import Need
from bot.domain.changes import Change, Changes
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.locks import Lock
from bot.domain.offer import RollbackOffer
from bot.domain.passed import Passed
from bot.domain.people import GONOGO, Person
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.domain.wentback import WentBack
from bot.domain.whys import Deed, Why
from bot.slack.blocks import Drawn
from bot.slack.card_buttons import rollback_truth
from bot.slack.cards import deployment_card
from bot.slack.render import Words

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANA, BO, CY = (Person("T1", user) for user in ("UANA", "UBO", "UCY"))
WORDS = Words(now=lambda: NOW)


def card(state: State, deployment: dict[str, Any] | None = None, **more: Any) -> Card:
    base = Deployment(
        "storefront-42", Kind.FORWARD, "storefront", "production",
        "v1.2.0", "v1.2.0", "c" * 40, "canary", ANA, BO, state, NOW,
        NOW - 10 * MINUTE, channel="C1", base_commit="b" * 40, base_version="v1.1.0",
    )  # fmt: skip
    held = more.get("steps", ()) if state is not State.WATCHING else ()
    where = next((step.key for step in held if step.state is StepState.HOLDING), "watch")
    if more.get("snapshot") is not None:
        more["snapshot"] = replace(more["snapshot"], where=where)
    shown: dict[str, Any] = {
        "strategy": "canary 5 → 25 → 100 %",
        "changes": CHANGES,
        "rollback": OFFER,
        **more,
    }
    return Card(replace(base, **(deployment or {})), NOW, **shown)


def finding(
    key: str,
    verdict: Verdict,
    current: float | None,
    baseline: float,
    *,
    unit: str,
    sentence: str = "",
) -> Finding:
    return Finding(
        key,
        key,
        unit,
        verdict,
        current,
        baseline,
        requests=1870,
        p_value=0.0001,
        sentence=sentence,
        trend=(baseline, baseline * 2),
    )


def steps(*states: StepState) -> tuple[Step, ...]:
    landed = {StepState.DONE, StepState.HOLDING}
    return tuple(
        Step(
            index,
            f"canary-{percent}",
            percent,
            10 * MINUTE,
            state,
            deployed_at=NOW if state in landed else None,
        )
        for index, (percent, state) in enumerate(zip((5, 25, 100), states, strict=True))
    )


CHANGES = Changes(
    tuple(Change(f"c{n}", f"Fix the cart {n}", "ana") for n in range(7)),
    7,
    ("ana", "cy", "di"),
    ("migrations/7.sql",),
)
OFFER = RollbackOffer(
    "v1.1.0",
    "b" * 40,
    NOW - 20 * 60 * MINUTE,
    replace(CHANGES, migrations=()),
    timedelta(seconds=41),
)
HEALTHY = Snapshot(
    "storefront-42",
    "canary 25 %",
    NOW,
    Verdict.HEALTHY,
    (
        finding("errors", Verdict.HEALTHY, 0.0031, 0.0028, unit="%"),
        finding("p95", Verdict.HEALTHY, 212.4, 205.1, unit="ms"),
    ),
)
WORSE = finding(
    "errors",
    Verdict.DEGRADED,
    0.029,
    0.0028,
    unit="%",
    sentence="errors 2.9 % (baseline 0.28 %, 10 times, 1,870 requests, p < 0.0001)",
)
DEGRADED = replace(HEALTHY, verdict=Verdict.DEGRADED, findings=(WORSE, HEALTHY.findings[1]))
BLIND = replace(
    HEALTHY,
    verdict=Verdict.NO_DATA,
    findings=(finding("errors", Verdict.NO_DATA, None, 0.0028, unit="%"),),
)
GATES = (
    Gate("tests", "tests green", GateState.GREEN, "all green", url="https://ci.example.com/9"),
    Gate(
        "staged",
        "live and verified on staging",
        GateState.OPEN,
        "v1.2.0 is not live on staging",
        first="staging",
    ),
    Gate("unfrozen", "not frozen", GateState.UNKNOWN, "no answer"),
    Gate(
        "on-call",
        "on-call knows",
        GateState.OPEN,
        "the person on call has not acknowledged",
        who=str(BO),
    ),
    Gate("item:support", "Support team briefed", GateState.OPEN, "not ticked", who="support"),
    Gate("item:uat", "UAT", GateState.OPEN, "not ticked", Need.OPTIONAL, who="qa"),
)
LOCK = Lock("storefront", "production", "v1.2.0 was rolled back: errors are up", BO, NOW)
D, H, P, F = StepState.DONE, StepState.HOLDING, StepState.PENDING, StepState.FAILED
RUNS_NOW = StepState.RUNNING
THIN = replace(HEALTHY, verdict=Verdict.NOT_ENOUGH_TRAFFIC)
FOUND = Trouble(1, Sort.DEGRADED, "canary-25", (("errors", 10.0),))
RUNS = {"started_at": NOW - 24 * MINUTE}
LANDED = {**RUNS, "landed_at": NOW}
COUNTS = {"countdown_until": NOW + timedelta(seconds=45)}
STAGES = (
    Stage("build", RunState.SUCCEEDED, NOW - 2 * MINUTE, NOW - MINUTE),
    Stage("release", RunState.WAITING, NOW, passable=True),
)  # fmt: skip
RUNNING = Step(0, "canary-5", 5, 10 * MINUTE, StepState.RUNNING)
BACK = {
    "rolled_back_by": BO,
    "rolled_back_version": "v1.1.0",
    "went_back": WentBack(NOW - 2 * MINUTE, BO),
}

CASES: dict[str, tuple[Card, str, list[str]]] = {
    "requested": (
        card(
            State.REQUESTED,
            {"version": "latest", "ref": "latest", "lead": None},
            changes=Changes(known=False),
        ),
        "storefront latest → production · looking up latest",
        ["Cancel"],
    ),
    "queued": (
        card(State.QUEUED, waits_for="storefront-41"),
        "storefront v1.2.0 → production · queued behind storefront-41 since 10:02 UTC",
        ["Cancel"],
    ),
    "not reviewed": (
        card(State.GATED),
        "storefront v1.2.0 → production · checking whether it is ready",
        ["What changes…", "Cancel"],
    ),
    "gated": (
        card(State.GATED, review=Review(NOW, GATES)),
        "storefront v1.2.0 → production · not ready: 4 of 5 required gates open",
        [
            "Tick my items…",
            "Acknowledge as on-call*",
            "Deploy to staging first",
            "What changes…",
            "Cancel",
        ],
    ),
    "awaiting approval": (
        card(
            State.AWAITING_APPROVAL,
            approvals=(ApprovalNeed("release_manager", 2, (CY,)),),
            approval_expires_at=NOW + 240 * MINUTE,
        ),
        (
            "storefront v1.2.0 → production · waiting for 1 approval (release "
            "manager), expires 2026-11-21 14:02 UTC"
        ),
        ["Approve*", "Reject…", "What changes…", "Cancel"],
    ),
    "starting": (
        card(State.ROLLING_OUT, RUNS, steps=steps(P, P, P)),
        "storefront v1.2.0 → production · starting",
        ["Roll back to v1.1.0!"],
    ),
    "canary": (
        card(
            State.ROLLING_OUT, RUNS, steps=steps(D, H, P), snapshot=HEALTHY, about_left=11 * MINUTE
        ),
        "storefront v1.2.0 → production · canary 25 % · step 2 of 3 · about 11 min left",
        ["Roll back to v1.1.0!"],
    ),
    "silent": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=(replace(RUNNING, run="7", silent_since=NOW), *steps(D, P, P)[1:]),
            about_left=11 * MINUTE,
        ),
        "storefront v1.2.0 → production · canary 5 % · step 1 of 3 · about 11 min left",
        ["Roll back to v1.1.0!"],
    ),
    "start not answered": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=(replace(RUNNING, silent_since=NOW), *steps(D, P, P)[1:]),
            about_left=11 * MINUTE,
        ),
        "storefront v1.2.0 → production · canary 5 % · step 1 of 3 · about 11 min left",
        ["Roll back to v1.1.0!"],
    ),
    "at a gate": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=(replace(RUNNING, stages=STAGES), *steps(D, P, P)[1:]),
            about_left=11 * MINUTE,
        ),
        (
            "storefront v1.2.0 → production · canary 5 % · step 1 of 3 · stands still at the "
            "pipeline's own gate before release"
        ),
        ["Go on with release*", "Roll back to v1.1.0!"],
    ),
    "degraded": (
        card(State.ROLLING_OUT, RUNS, steps=steps(D, H, P), snapshot=DEGRADED, trouble=FOUND),
        (
            "storefront v1.2.0 → production · DEGRADED at 25 % · the rollout stands still until "
            "the lead decides or the numbers recover"
        ),
        ["Roll back to v1.1.0!", "Let it go on…"],
    ),
    "counting down": (
        card(State.ROLLING_OUT, {**RUNS, **COUNTS}, steps=steps(D, H, P), snapshot=DEGRADED),
        (
            "storefront v1.2.0 → production · DEGRADED at 25 % · rolling back "
            "to v1.1.0 at 10:02:45 UTC"
        ),
        ["Roll back to v1.1.0 now!", "Stop the countdown…"],
    ),
    "blind": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=steps(D, H, P),
            snapshot=BLIND,
            trouble=replace(FOUND, sort=Sort.BLIND),
        ),
        (
            "storefront v1.2.0 → production · NO DATA at 25 % · the rollout stands still "
            "until the lead decides or there are numbers to judge by"
        ),
        ["Roll back to v1.1.0!", "Let it go on…"],
    ),
    "too little traffic": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=steps(D, H, P),
            snapshot=THIN,
            trouble=replace(FOUND, sort=Sort.THIN),
        ),
        (
            "storefront v1.2.0 → production · TOO LITTLE TRAFFIC to tell at 25 % · the rollout "
            "stands still until the lead decides "
            "or there is enough traffic"
        ),
        ["Roll back to v1.1.0!", "Let it go on…"],
    ),
    "a step that begins is not judged": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=steps(D, D, RUNS_NOW),
            snapshot=DEGRADED,
            trouble=FOUND,
            is_settled=True,
        ),
        "storefront v1.2.0 → production · canary 100 % · step 3 of 3",
        ["Roll back to v1.1.0!"],
    ),
    "what serves is worse while the next run is under way": (
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=(*steps(D, D, P)[:2], replace(steps(D, D, RUNS_NOW)[2], run="7")),
            snapshot=DEGRADED,
            trouble=FOUND,
        ),
        (
            "storefront v1.2.0 → production · DEGRADED at 25 % · the run of 100 % goes on, "
            "what follows waits until the lead decides or the numbers recover"
        ),
        ["Roll back to v1.1.0!", "Let it go on…"],
    ),
    "kept by a lock": (
        card(
            State.ROLLING_OUT, RUNS, steps=steps(D, D, P), standstill="production is locked: fire"
        ),
        (
            "storefront v1.2.0 → production · stands still before canary 100 % · step 3 of 3: "
            "production is locked: fire"
        ),
        ["Roll back to v1.1.0!"],
    ),
    "accepted": (
        card(State.ACCEPTED, {**LANDED, "accepted": "too little traffic"}, snapshot=THIN),
        (
            "storefront v1.2.0 → production · live, accepted (too little traffic), not "
            "verified · since 2026-11-21 10:02 UTC"
        ),
        ["Roll back to v1.1.0!"],
    ),
    "watching": (
        card(
            State.WATCHING,
            LANDED,
            snapshot=HEALTHY,
            watch_until=NOW + 30 * MINUTE,
            next_summary_at=NOW + 30 * MINUTE,
        ),
        "storefront v1.2.0 → production · live since 10:02 UTC, being watched until 10:32 UTC",
        ["Roll back to v1.1.0!", "I am watching*"],
    ),
    "watched and worse": (
        card(State.WATCHING, {**LANDED, **COUNTS}, snapshot=DEGRADED, watched_by=(BO,)),
        (
            "storefront v1.2.0 → production · live, but DEGRADED · rolling back "
            "to v1.1.0 at 10:02:45 UTC"
        ),
        ["Roll back to v1.1.0 now!", "Stop the countdown…"],
    ),
    "verified": (
        card(State.VERIFIED, LANDED, snapshot=HEALTHY, watched_by=(BO,)),
        "storefront v1.2.0 → production · live and healthy since 2026-11-21 10:02 UTC · took 24 min",
        ["Roll back to v1.1.0!"],
    ),
    "superseded": (
        card(State.SUPERSEDED, LANDED),
        "storefront v1.2.0 → production · replaced by the next deployment before it was verified",
        [],
    ),
    "left on a word": (
        card(
            State.SUPERSEDED,
            {**LANDED, "ended_by": CY},
            replaced_by="v1.1.0",
            replaced_at=NOW,
            replaced_on_word_of=CY,
        ),
        (
            "storefront v1.2.0 → production · was live from 2026-11-21 "
            "10:02 UTC and being watched; "
            "@UCY said 2026-11-21 10:02 UTC that v1.1.0 was live instead"
        ),
        [],
    ),
    "rolling back": (
        card(State.ROLLING_BACK, {**RUNS, "note": "errors are up"}, snapshot=DEGRADED, **BACK),
        "storefront v1.2.0 → production · ROLLING BACK to v1.1.0 by @UBO, its lead",
        [],
    ),
    "rolled back": (
        card(
            State.ROLLED_BACK,
            {**RUNS, "note": "errors are up"},
            snapshot=DEGRADED,
            lock=LOCK,
            quarantined=True,
            **BACK,
        ),
        (
            "storefront v1.2.0 → production · rolled back to v1.1.0 by @UBO, 2 min "
            "after that was asked for"
        ),
        ["Unlock production", "Timeline…"],
    ),
    "rolled back without a reason": (
        card(
            State.ROLLED_BACK, {**RUNS, "note": ""}, lock=LOCK, why=Why(Deed.ROLLBACK, BO), **BACK
        ),
        (
            "storefront v1.2.0 → production · rolled back to v1.1.0 by @UBO, 2 min "
            "after that was asked for"
        ),
        ["Say why…", "Unlock production", "Timeline…"],
    ),
    "rolled back by rule": (
        card(
            State.ROLLED_BACK,
            RUNS,
            rolled_back_by=GONOGO,
            rolled_back_version="v1.1.0",
            went_back=WentBack(NOW - 2 * MINUTE, GONOGO),
        ),
        "storefront v1.2.0 → production · rolled back to v1.1.0 by Go/No-Go in 2 min",
        ["Timeline…"],
    ),
    "failed": (
        card(State.FAILED, {**RUNS, "note": "the run failed"}, steps=steps(D, F, P)),
        (
            "storefront v1.2.0 → production · FAILED at 25 % · production is unclear "
            "until it is rolled back "
            "(/rollback storefront production because TEXT), or somebody says what is live "
            "(/deploy live storefront production is REF because TEXT)"
        ),
        ["Roll back to v1.1.0!", "Timeline…"],
    ),
    "failed without a way back": (
        card(
            State.FAILED,
            RUNS,
            steps=steps(F, P, P),
            rollback=RollbackOffer(refused="Nothing has been verified here."),
        ),
        (
            "storefront v1.2.0 → production · FAILED at 5 % · production is unclear until "
            "somebody says what is live "
            "(/deploy live storefront production is REF because TEXT)"
        ),
        ["Timeline…"],
    ),
    "cancelled": (
        card(State.CANCELLED, {"ended_by": Person("T1", "UCY")}),
        "storefront v1.2.0 → production · cancelled, nothing was touched",
        [],
    ),
    "rejected": (
        card(State.REJECTED, {"note": "not today", "ended_by": Person("T1", "UCY")}),
        "storefront v1.2.0 → production · rejected, nothing was touched",
        [],
    ),
    "expired": (
        card(State.EXPIRED),
        "storefront v1.2.0 → production · expired, nothing was touched",
        [],
    ),
    "refused when its ref was looked up late": (
        card(State.IMPOSSIBLE, {"commit": "", "note": 'There is no v1.2.0; did you mean "v1.2"?'}),
        (
            'storefront v1.2.0 → production · There is no v1.2.0; did you mean "v1.2"? Asked for '
            "by @UANA (storefront-42)"
        ),
        [],
    ),
    "impossible": (
        card(State.IMPOSSIBLE),
        "storefront v1.2.0 → production · not possible, nothing was touched",
        [],
    ),
}

each_case = pytest.mark.parametrize(("shown", "headline", "offers"), CASES.values(), ids=CASES)


def draw(shown: Card) -> Drawn:
    return deployment_card(shown, WORDS)


def texts(blocks: list[dict[str, Any]]) -> list[str]:
    """Collect what a card shows as formatted text."""
    found = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    return found + [
        element["text"]
        for block in blocks
        if block["type"] == "context"
        for element in block["elements"]
    ]


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        element for block in blocks if block["type"] == "actions" for element in block["elements"]
    ]


def read(text: str) -> str:
    """Read mrkdwn as a person sees it, with times in UTC."""
    seen = re.sub(r"<!date\^\d+\^[^|]*\|([^>]*)>", r"\1", text)
    seen = re.sub(r"<(?:https?:[^|>]*)\|([^>]*)>", r"\1", seen)
    return (
        re.sub(r"<@(\w+)>", r"@\1", seen)
        .replace("*", "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )


@each_case
def test_the_first_line_alone_is_enough(shown: Card, headline: str, offers: list[str]) -> None:
    del offers
    drawn = draw(shown)
    assert read(drawn.text) == headline
    assert drawn.blocks[0]["text"]["text"] == drawn.text


@each_case
def test_only_what_is_possible_now_is_offered(
    shown: Card, headline: str, offers: list[str]
) -> None:
    del headline
    marks = {"primary": "*", "danger": "!", None: ""}
    made = [
        f"{button['text']['text']}{marks[button.get('style')]}"
        for button in buttons(draw(shown).blocks)
    ]
    assert made == offers
    assert all(
        button["value"].partition(" ")[0] == "storefront-42"
        for button in buttons(draw(shown).blocks)
    )


@each_case
def test_every_danger_asks_first_and_there_is_at_most_one_and_one_primary(
    shown: Card, headline: str, offers: list[str]
) -> None:
    del headline, offers
    styles = [button.get("style") for button in buttons(draw(shown).blocks)]
    assert styles.count("danger") <= 1
    assert styles.count("primary") <= 1
    assert all(
        "confirm" in button
        for button in buttons(draw(shown).blocks)
        if button.get("style") == "danger"
    )


@each_case
def test_a_card_has_twelve_lines_at_most_and_names_nobody_twice(
    shown: Card, headline: str, offers: list[str]
) -> None:
    del headline, offers
    blocks = draw(shown).blocks
    assert sum(len(text.split("\n")) for text in texts(blocks)) + bool(buttons(blocks)) <= 12
    mentions = re.findall(r"<@\w+>", " ".join(texts(blocks)))
    assert len(mentions) == len(set(mentions))


@each_case
def test_slack_takes_the_blocks(shown: Card, headline: str, offers: list[str]) -> None:
    del headline, offers
    assert_valid(draw(shown).blocks)


def assert_valid(blocks: list[dict[str, Any]]) -> None:
    assert 0 < len(blocks) <= 50
    assert len({block["block_id"] for block in blocks}) == len(blocks)
    for block in blocks:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert all(0 < len(text) <= 3000 for text in texts(blocks))


def test_every_state_has_a_case() -> None:
    assert {shown.deployment.state for shown, _, _ in CASES.values()} == set(State)


def test_a_card_does_not_change_by_the_passing_of_time() -> None:
    later = NOW + timedelta(seconds=30)  # before anything that it announces has come
    for shown, _, _ in CASES.values():
        assert (
            deployment_card(replace(shown, now=later), Words(now=lambda: later)).digest
            == draw(shown).digest
        )


def test_every_case_looks_different() -> None:
    digests = [draw(shown).digest for shown, _, _ in CASES.values()]
    assert len(set(digests)) == len(digests)


# The truth about the rollback -------------------------------------------------------------------


def test_the_rollback_dialog_tells_the_truth() -> None:
    confirm = buttons(draw(CASES["canary"][0]).blocks)[0]["confirm"]
    assert confirm["title"]["text"] == "Roll back storefront in production to v1.1.0?"
    assert confirm["text"]["text"] == (
        "v1.2.0 has 25 % of the traffic. Verified good 2026-11-20 14:02 UTC. "
        "The environment will be locked. This undoes 7 commits by ana, cy and di. "
        "No migration lies between. It usually takes 41 s."
    )
    assert (confirm["confirm"]["text"], confirm["deny"]["text"]) == ("Roll back", "Keep v1.2.0")
    assert confirm["text"]["type"] == "plain_text"


def test_the_rollback_dialog_says_what_it_cancels() -> None:
    confirm = buttons(
        draw(
            replace(
                CASES["canary"][0],
                rollback=replace(OFFER, cancels="storefront v1.3.0 → production"),
            )
        ).blocks
    )[0]["confirm"]
    assert confirm["text"]["text"].startswith(
        "v1.2.0 has 25 % of the traffic. Verified good 2026-11-20 14:02 UTC. "
        "The environment will be locked. storefront v1.3.0 → production is cancelled. This undoes"
    )


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (
            replace(OFFER, undoes=Changes(known=False), is_known=False),
            "Which commits this undoes is not known, nor whether a migration lies between.",
        ),
        (replace(OFFER, usual=None), "How long it takes here is not known yet."),
        (
            replace(OFFER, undoes=Changes(total=1, authors=("O'Neil & <b>",))),
            "This undoes 1 commit by O'Neil & <b>.",
        ),
        (
            replace(
                OFFER,
                undoes=Changes(total=90, authors=tuple(f"author number {n}" for n in range(20))),
            ),
            "and 16 others.",
        ),
        (
            replace(OFFER, undoes=Changes(total=90, authors=tuple("n" * 200 for n in range(20)))),
            "No migration lies between.",
        ),
    ],
)
def test_the_dialog_says_what_is_known_and_what_is_not(offer: RollbackOffer, says: str) -> None:
    truth = rollback_truth(card(State.ROLLING_OUT, rollback=offer), WORDS)
    assert says in truth
    assert len(truth) <= 300
    assert "The environment will be locked." in truth


def test_what_matters_least_is_left_out_of_the_dialog_whole_and_nothing_is_cut() -> None:
    long = "a-very-long-name-of-a-version-that-goes-on-and-on"
    offer = replace(
        OFFER,
        version=long,
        usual=None,
        cancels=f"storefront {long} → production",
        passed=Passed(long, "is quarantined: it leaks what was never to leave it at all"),
    )
    failed = replace(
        card(State.FAILED).deployment, kind=Kind.ROLLBACK, commit=offer.commit, version=long
    )
    full = replace(
        card(State.ROLLING_OUT, rollback=offer, steps=steps(D, H, P)),
        doubt="nobody knows",
        failed_back=failed,
    )
    countdown = replace(full.deployment, version=long, countdown_until=NOW + MINUTE)
    for crowded in (full, replace(full, deployment=countdown)):
        truth = rollback_truth(crowded, WORDS)
        assert len(truth) <= 300
        assert truth.endswith(".")
        assert "The environment will be locked." in truth
        assert "is cancelled." in truth
        assert "How long" not in truth


def test_the_dialog_does_not_promise_a_lock_that_will_not_come() -> None:
    assert "locked" not in rollback_truth(card(State.ROLLING_OUT, rollback_locks=False), WORDS)


# Hostile text -----------------------------------------------------------------------------------

HOSTILE = [
    "<!channel> <!here> <!everyone>",
    "<@UEVIL> <@UEVIL|ana> <#C1> <!subteam^S1>",
    "<https://evil.example.org|diff>",
    "```code``` `tick` *bold* _it_ ~gone~",
    "\"double\" 'single' {{ 7 * 7 }} {% raw %} \\n \\",
    "\u202eright to left\u2066 \u200b\u200d\ufeff\u2028 line\x00\x1b[31m\ud800",
    "שלום עולם",
    "&lt;!channel&gt; &amp;",
    "a\n\n> quoted\n• item\r\n",
    "x" * 10_000,
    "wide 🚀 " * 2_000,
]


def poisoned(text: str) -> Iterator[Card]:
    """Put a text everywhere where people or vendors can put one."""
    changes = Changes(
        (Change("c1", text, text),) * 9, 9, (text, text, text, text), (text,), (), text
    )
    gates = tuple(replace(gate, title=text, sentence=text, who=text, url=text) for gate in GATES)
    bad = replace(
        DEGRADED,
        label=text,
        findings=(
            replace(WORSE, title=text, sentence=text, unit=text),
            replace(HEALTHY.findings[0], title=text),
        ),
    )
    names: dict[str, Any] = {
        "service": text,
        "environment": text,
        "version": text,
        "ref": text,
        "reason": text,
        "note": text,
    }
    for shown, _, _ in CASES.values():
        stages = tuple(replace(stage, name=text, sentence=text) for stage in STAGES)
        run = tuple(
            replace(step, key=text, run_url=text, sentence=text, stages=stages)
            for step in shown.steps
        )
        yield replace(
            shown, deployment=replace(shown.deployment, **names),
            review=Review(NOW, gates), changes=changes, strategy=text, waits_for=text,
            rollback=replace(shown.rollback, version=text, undoes=changes),
            snapshot=shown.snapshot and bad, steps=run,
            lock=shown.lock and replace(shown.lock, reason=text),
            rolled_back_version=text, approvals=(ApprovalNeed(text, 3, (CY,)),),
        )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_pings_nobody_and_breaks_nothing(text: str) -> None:
    for shown in poisoned(text):
        drawn = draw(shown)
        assert_valid(drawn.blocks)
        shows = "\n".join(texts(drawn.blocks))
        assert set(re.findall(r"<@(\w+)>", shows)) <= {"UANA", "UBO", "UCY"}
        assert all(
            markup.startswith(("@", "!date^", "https://ci.example.com/"))
            for markup in re.findall(r"<([^>]*)>", shows)
        )
        assert "`" not in shows
        assert not re.search(
            "[\u0000-\u0009\u000b-\u001f\u202a-\u202e\u200b\u200d\u2028\ud800]", shows
        )
        assert sum(len(each) for each in texts(drawn.blocks)) < 12_000
        shows.encode()
        assert drawn.blocks[0]["text"]["verbatim"] is True


def test_text_from_right_to_left_cannot_turn_what_follows() -> None:
    drawn = draw(card(State.QUEUED, {"version": "שלום"}))
    for opened, closed in itertools.pairwise(re.findall("[\u2068\u2069]", drawn.text)):
        assert opened != closed
    assert "\u2068" in drawn.text
