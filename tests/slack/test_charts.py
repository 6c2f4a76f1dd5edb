"""The picture in the card's thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image

from bot.domain.health import Finding, Snapshot, Verdict
from bot.slack.charts import MOST_PANELS, WIDTH, describe, draw

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
RED, GREEN = (0xFF, 0x80, 0x78), (0x5F, 0xD3, 0xA2)


def finding(
    key: str,
    verdict: Verdict,
    current: float | None,
    baseline: float | None = 0.0028,
    unit: str = "%",
) -> Finding:
    return Finding(key, key, unit, verdict, current, baseline, sentence=f"{key} is {verdict}")


def shot(
    label: str, *findings: Finding, verdict: Verdict = Verdict.HEALTHY, minutes: int = 0
) -> Snapshot:
    return Snapshot(
        "storefront-42",
        label,
        NOW + timedelta(minutes=minutes),
        verdict,
        findings,
        "the time before",
    )


def rollout(verdict: Verdict) -> list[Snapshot]:
    base = Finding(
        "errors", "errors", "%", Verdict.HEALTHY, 0.0028, None, trend=(0.002, 0.003, 0.0028, 0.0031)
    )
    return [
        shot("baseline", base),
        shot("canary 5 %", finding("errors", Verdict.HEALTHY, 0.003), minutes=5),
        shot("canary 25 %", finding("errors", verdict, 0.029), verdict=verdict, minutes=10),
    ]


def image(png: bytes) -> Image.Image:
    assert png.startswith(b"\x89PNG")
    return Image.open(BytesIO(png)).convert("RGB")


def has(png: bytes, colour: tuple[int, int, int]) -> bool:
    picture = image(png)
    return any(found == colour for _, found in picture.getcolors(WIDTH * picture.height) or [])


def test_the_picture_is_as_wide_as_slack_shows_it_and_small() -> None:
    png = draw(rollout(Verdict.DEGRADED), "storefront v1.2.0 → production", marked_at="canary 5 %")
    assert image(png).width == WIDTH
    assert len(png) < 100_000


@pytest.mark.case("card-and-people-16")
def test_a_picture_does_not_dazzle_on_a_dark_page() -> None:
    picture = image(draw(rollout(Verdict.HEALTHY), "storefront", marked_at=None)).convert("L")
    assert sum(picture.histogram()[128:]) < 0.2 * picture.width * picture.height


def test_the_verdict_has_its_colour() -> None:
    assert has(draw(rollout(Verdict.DEGRADED), "storefront", marked_at=None), RED)
    healthy = draw(rollout(Verdict.HEALTHY), "storefront", marked_at=None)
    assert has(healthy, GREEN)
    assert not has(healthy, RED)


def test_two_panels_stand_in_a_row_and_a_third_begins_another() -> None:
    def height(panels: int) -> int:
        return image(
            draw(
                [shot("live", *(finding(f"m{n}", Verdict.HEALTHY, 0.1) for n in range(panels)))],
                "x",
                marked_at=None,
            )
        ).height

    assert height(1) == height(2) < height(3) == height(4)


def test_there_is_an_end_to_the_panels_and_a_degraded_metric_is_never_left_out() -> None:
    fine = [finding(f"m{n}", Verdict.HEALTHY, 0.1) for n in range(MOST_PANELS + 5)]
    crowded = draw(
        [shot("live", *fine, finding("errors", Verdict.DEGRADED, 0.5))], "x", marked_at=None
    )
    assert (
        image(crowded).height
        == image(draw([shot("live", *fine[:MOST_PANELS])], "x", marked_at=None)).height
    )
    assert has(crowded, RED)


@pytest.mark.parametrize(
    "snapshots",
    [
        [],
        [shot("baseline")],
        [shot("live", finding("errors", Verdict.NO_DATA, None, None))],
        [shot("live", finding("errors", Verdict.HEALTHY, 0.0, 0.0))],
        [shot("live", finding("errors", Verdict.HEALTHY, float("nan"), float("inf")))],
        [shot("live", finding("heat", Verdict.HEALTHY, -3.5, -2.0, "°C"))],
        [shot("live", finding("bytes", Verdict.HEALTHY, 1e18, 1e-9, "B"))],
        [shot("x" * 400, finding("y" * 400, Verdict.HEALTHY, 0.1))],
        [
            shot(f"+{n} min", finding("errors", Verdict.HEALTHY, n / 1000), minutes=n)
            for n in range(60)
        ],
        [shot("ערב\u202e<!channel>\n```", finding("\u0000 ошибки 🙂", Verdict.HEALTHY, 0.1))],
    ],
)
def test_whatever_the_snapshots_hold_there_is_a_picture(snapshots: list[Snapshot]) -> None:
    assert (
        image(draw(snapshots, "storefront → production " * 30, marked_at="nowhere")).width == WIDTH
    )


def test_the_same_is_said_in_words() -> None:
    assert describe(rollout(Verdict.DEGRADED)) == (
        "Metrics at canary 25 %: degraded, compared with the time before. errors is degraded"
    )  # fmt: skip
    assert describe([]) == "No metrics yet."
