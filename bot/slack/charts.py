"""The picture of a deployment's metrics: small multiples, one panel per
metric, for the card's thread.

Pillow alone, with the font that it carries. Drawing takes a moment: call it in a thread.
``describe`` says the same in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from math import ceil, floor, isfinite, log10

from PIL import Image, ImageDraw, ImageFont

from bot.domain import plain
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.judgement import shown

WIDTH = 800
"""In pixels, as Slack shows a picture in a thread."""
MOST_PANELS = 8
_SCALE = 2  # drawn twice as large and made smaller, which smooths the lines
_MARGIN, _GAP = 20, 14
_HEADER, _PANEL, _FOOTER = 62, 196, 30
_TITLE_MOST = 90

# A picture cannot know the reader's theme: dark paper reads well on a white page, and white
# paper dazzles on a dark one.
_PAPER, _PANEL_PAPER, _FRAME = "#1f242b", "#282e37", "#3d4550"
_INK, _QUIET = "#e8ebf0", "#aab3bf"
_BAND, _BAND_KEY = "#37404c", "#4b5664"
_COLOURS = {
    Verdict.HEALTHY: "#5fd3a2",
    Verdict.UNPROVED: "#e6b455",
    Verdict.DEGRADED: "#ff8078",
    Verdict.NOT_ENOUGH_TRAFFIC: "#e6b455",
    Verdict.NO_DATA: "#aab3bf",
}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Series:
    """One metric over all snapshots; None where a snapshot does not have it."""

    newest: Finding
    labels: tuple[str, ...]
    current: tuple[float | None, ...]
    baseline: tuple[float | None, ...]
    band: tuple[float, float] | None
    """How far the baseline varied by itself."""
    deployed: int
    """Before which snapshot the deployment began."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle in drawing units."""

    left: float
    top: float
    right: float
    bottom: float


class _Pen:
    """Draws in the picture's own units, whatever the scale."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def box(self, box: _Box, fill: str, outline: str | None = None, radius: float = 0) -> None:
        corners = [value * _SCALE for value in (box.left, box.top, box.right, box.bottom)]
        self._draw.rounded_rectangle(
            corners, radius * _SCALE, fill, outline, _SCALE if outline else 0
        )

    def line(self, points: Sequence[Point], fill: str, width: float = 1) -> None:
        self._draw.line(
            [(x * _SCALE, y * _SCALE) for x, y in points],
            fill,
            round(width * _SCALE),
            joint="curve",
        )

    def dashes(self, start: Point, end: Point, fill: str, dash: float = 5) -> None:
        (x, y), (to_x, to_y) = start, end
        length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
        for step in range(ceil(length / (2 * dash))):
            here, there = 2 * step * dash / length, min(1.0, (2 * step + 1) * dash / length)
            self.line(
                [
                    (x + (to_x - x) * here, y + (to_y - y) * here),
                    (x + (to_x - x) * there, y + (to_y - y) * there),
                ],
                fill,
            )

    def dot(self, at: Point, fill: str, radius: float) -> None:
        x, y, size = at[0] * _SCALE, at[1] * _SCALE, radius * _SCALE
        self._draw.ellipse([x - size, y - size, x + size, y + size], fill)

    def text(
        self, at: Point, text: str, fill: str, size: int, *, anchor: str = "ls", bold: bool = False
    ) -> None:
        stroke = 0.35 * _SCALE if bold else 0
        self._draw.text(
            (at[0] * _SCALE, at[1] * _SCALE),
            text,
            fill,
            _font(size),
            anchor,
            stroke_width=stroke,
            stroke_fill=fill,
        )


@lru_cache(maxsize=16)
def _font(size: int) -> Font:
    return ImageFont.load_default(size * _SCALE)


def text_width(text: str, size: int) -> float:
    """Measure a text in the picture's units."""
    return float(_font(size).getlength(text)) / _SCALE


def draw(snapshots: Sequence[Snapshot], title: str, *, marked_at: str | None = None) -> bytes:
    """Draw a deployment's snapshots, oldest first, as a PNG; ``marked_at`` is the label of the
    first one after the deployment began.

    Without it the mark stands after the snapshot ``baseline``.
    """
    panels = _series(snapshots, marked_at)
    rows = max(1, ceil(len(panels) / 2))
    height = _HEADER + rows * (_PANEL + _GAP) - _GAP + _FOOTER
    image = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _PAPER)
    pen = _Pen(image)
    _draw_header(pen, title, snapshots)
    for index, series in enumerate(panels):
        _draw_panel(pen, _place(index, alone=len(panels) == 1), series)
    if not panels:
        pen.text(
            (WIDTH / 2, _HEADER + _PANEL / 2),
            "No metric has given numbers yet.",
            _QUIET,
            15,
            anchor="mm",
        )
    _draw_legend(pen, height)
    small = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    out = BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def describe(snapshots: Sequence[Snapshot]) -> str:
    """Say what the picture shows, for people who do not see it."""
    if not snapshots:
        return "No metrics yet."
    newest = snapshots[-1]
    compared = f", compared with {newest.compared_with}" if newest.compared_with else ""
    sentences = [finding.sentence or finding.title for finding in newest.findings]
    return f"Metrics at {newest.label}: {newest.verdict}{compared}. " + " · ".join(sentences)


def _series(snapshots: Sequence[Snapshot], marked_at: str | None) -> list[_Series]:
    newest = {finding.key: finding for shot in snapshots for finding in shot.findings}
    deployed = _deployed(snapshots, marked_at)
    labels = tuple(shot.label for shot in snapshots)
    found = []
    for key, last in newest.items():
        row = [
            next((finding for finding in shot.findings if finding.key == key), None)
            for shot in snapshots
        ]
        current = tuple(_number(finding.current) if finding else None for finding in row)
        baseline = tuple(_number(finding.baseline) if finding else None for finding in row)
        found.append(
            _Series(
                last,
                labels,
                current,
                _joined(current, baseline, deployed),
                _band(row[:deployed]),
                deployed,
            )
        )
    return _worst(found)


def _worst(found: Sequence[_Series]) -> list[_Series]:
    """Keep the panels that there is room for, the worst first chosen, each in its usual place."""
    order = [Verdict.DEGRADED, Verdict.NO_DATA, Verdict.NOT_ENOUGH_TRAFFIC, Verdict.HEALTHY]
    ranked = sorted(
        found, key=lambda series: (not series.newest.critical, order.index(series.newest.verdict))
    )
    kept = {series.newest.key for series in ranked[:MOST_PANELS]}
    return [series for series in found if series.newest.key in kept]


def _deployed(snapshots: Sequence[Snapshot], marked_at: str | None) -> int:
    labels = [shot.label for shot in snapshots]
    if marked_at in labels:
        return labels.index(marked_at)
    return 1 if labels[:1] == ["baseline"] else 0


def _number(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _joined(
    current: tuple[float | None, ...], baseline: tuple[float | None, ...], deployed: int
) -> tuple[float | None, ...]:
    """Before the deployment the metric is its own baseline; later what each
    snapshot was compared with.
    """
    return tuple(
        mine if index < deployed else theirs
        for index, (mine, theirs) in enumerate(zip(current, baseline, strict=True))
    )


def _band(before: Sequence[Finding | None]) -> tuple[float, float] | None:
    values = sorted(
        value for finding in before if finding for value in finding.trend if isfinite(value)
    )
    if len(values) < 3:  # noqa: PLR2004 - fewer show no spread
        return None
    cut = len(values) // 20
    return values[cut], values[len(values) - 1 - cut]


# Drawing ----------------------------------------------------------------------------------------


def _draw_header(pen: _Pen, title: str, snapshots: Sequence[Snapshot]) -> None:
    verdict = snapshots[-1].verdict if snapshots else Verdict.NO_DATA
    word = str(verdict).upper()
    pen.text((WIDTH - _MARGIN, 31), word, _COLOURS[verdict], 17, anchor="rs", bold=True)
    room = WIDTH - 2 * _MARGIN - text_width(word, 17) - 20
    pen.text((_MARGIN, 31), _fitted(_plain(title), 19, room), _INK, 19, bold=True)
    if snapshots:
        newest = snapshots[-1]
        compared = f"  |  compared with {newest.compared_with}" if newest.compared_with else ""
        line = f"{newest.label}, {plain.moment(newest.at)}{compared}"
        pen.text((_MARGIN, 50), _fitted(_plain(line), 13, WIDTH - 2 * _MARGIN), _QUIET, 13)


def _draw_legend(pen: _Pen, height: float) -> None:
    y, x = height - 13.0, float(_MARGIN)
    for kind, words in (
        ("line", "current"),
        ("dashes", "baseline"),
        ("band", "spread of the baseline"),
        ("mark", "deployed"),
    ):
        middle = y - 4
        if kind == "band":
            pen.box(_Box(x, middle - 5, x + 22, middle + 5), _BAND_KEY)
        elif kind == "dashes":
            pen.dashes((x, middle), (x + 22, middle), _QUIET, 4)
        elif kind == "mark":
            pen.dashes((x + 11, middle - 8), (x + 11, middle + 7), _INK, 3)
        else:
            pen.line([(x, middle), (x + 22, middle)], _INK, 2.5)
        pen.text((x + 29, y), words, _QUIET, 12)
        x += 29 + text_width(words, 12) + 22


def _place(index: int, *, alone: bool) -> _Box:
    width = WIDTH - 2 * _MARGIN if alone else (WIDTH - 2 * _MARGIN - _GAP) / 2
    left = _MARGIN + (index % 2) * (width + _GAP)
    top = _HEADER + (index // 2) * (_PANEL + _GAP)
    return _Box(left, top, left + width, top + _PANEL)


def _draw_panel(pen: _Pen, box: _Box, series: _Series) -> None:
    finding = series.newest
    colour = _COLOURS[finding.verdict]
    pen.box(box, _PANEL_PAPER, _FRAME, 6)
    pen.box(_Box(box.left, box.top + 8, box.left + 4, box.top + 56), colour)
    word = str(finding.verdict)
    pen.text((box.right - 12, box.top + 22), word, colour, 13, anchor="rs", bold=True)
    room = box.right - box.left - 40 - text_width(word, 13)
    pen.text(
        (box.left + 14, box.top + 22), _fitted(_plain(finding.title), 14, room), _INK, 14, bold=True
    )
    value = "no data" if finding.current is None else shown(finding.current, finding.unit)
    pen.text((box.left + 14, box.top + 50), value, _INK, 24, bold=True)
    if finding.baseline is not None:
        text = f"baseline {shown(finding.baseline, finding.unit)}"
        pen.text((box.left + 22 + text_width(value, 24), box.top + 50), text, _QUIET, 13)
    _draw_plot(pen, _Box(box.left + 58, box.top + 68, box.right - 16, box.bottom - 26), series)


def _draw_plot(pen: _Pen, plot: _Box, series: _Series) -> None:
    ticks = _ticks(series)
    low, high = ticks[0], ticks[-1]
    slots = max(1, len(series.labels))

    def x_of(index: float) -> float:
        return plot.left + (index + 0.5) * (plot.right - plot.left) / slots

    def y_of(value: float) -> float:
        return plot.bottom - (value - low) / (high - low) * (plot.bottom - plot.top)

    if series.band:
        pen.box(
            _Box(
                plot.left,
                y_of(min(series.band[1], high)),
                plot.right,
                y_of(max(series.band[0], low)),
            ),
            _BAND,
        )
    for tick in ticks:
        pen.line([(plot.left, y_of(tick)), (plot.right, y_of(tick))], _FRAME, 0.5)
        pen.text(
            (plot.left - 7, y_of(tick)), shown(tick, series.newest.unit), _QUIET, 11, anchor="rm"
        )
    for start, end in _pieces(series.baseline):
        pen.dashes((x_of(start[0]), y_of(start[1])), (x_of(end[0]), y_of(end[1])), _QUIET, 4)
    _draw_line(
        pen,
        [
            (x_of(index), y_of(value)) if value is not None else None
            for index, value in enumerate(series.current)
        ],
        series,
    )
    if 0 < series.deployed < slots:
        x = x_of(series.deployed - 0.5)
        pen.dashes((x, plot.top - 6), (x, plot.bottom), _INK, 3)
    _draw_labels(pen, plot, series, [x_of(index) for index in range(slots)])


def _draw_line(pen: _Pen, points: Sequence[Point | None], series: _Series) -> None:
    """Draw the metric's line, broken where there is no data, with a dot for each
    snapshot and a larger one now.
    """
    for before, after in pairwise(points):
        if before and after:
            pen.line([before, after], _INK, 2.5)
    there = [point for point in points if point]
    for point in there:
        pen.dot(point, _INK, 3)
    if there and points[-1]:
        pen.dot(there[-1], _PANEL_PAPER, 7)
        pen.dot(there[-1], _COLOURS[series.newest.verdict], 5.5)


def _draw_labels(pen: _Pen, plot: _Box, series: _Series, places: Sequence[float]) -> None:
    """Name the snapshots below the plot: the first, the last, and those between
    for which there is room.
    """
    labels = [_plain(label) for label in series.labels]
    if sum(text_width(label, 11) + 10 for label in labels) > plot.right - plot.left:
        labels = [_short(label) for label in labels]
    named = list(zip(places, labels, strict=True))
    taken: list[tuple[float, float]] = []
    for place, label in [*named[-1:], *named[:1], *named[1:-1]]:
        half = text_width(label, 11) / 2 + 5
        middle = min(max(place, plot.left - 20 + half), plot.right + 12 - half)
        if all(middle + half <= left or middle - half >= right for left, right in taken):
            taken.append((middle - half, middle + half))
            pen.text((middle, plot.bottom + 16), label, _QUIET, 11, anchor="ms")


def _short(label: str) -> str:
    """Leave the strategy out of ``canary 25 %``."""
    return label.partition(" ")[2] if label.endswith("%") and label.count(" ") > 1 else label


def _pieces(values: Sequence[float | None]) -> list[tuple[Point, Point]]:
    """Join neighbours that have a value; the first and last reach to the edge of their slot."""
    found: list[tuple[Point, Point]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        after = values[index + 1] if index + 1 < len(values) else None
        before = values[index - 1] if index else None
        if before is None:
            found.append(((index - 0.5, value), (index, value)))
        found.append(
            ((index, value), (index + 1, after) if after is not None else (index + 0.5, value))
        )
    return found


def _ticks(series: _Series) -> list[float]:
    """Choose round numbers that hold all values; from zero, so that a change
    looks as large as it is.
    """
    values = [
        value
        for value in (*series.current, *series.baseline, *(series.band or ()))
        if value is not None
    ]
    lowest, highest = min([0.0, *values]), max([0.0, *values])
    if highest <= lowest:
        highest = lowest + (0.01 if series.newest.unit == "%" else 1.0)
    step = _round_step((highest - lowest) * 1.08 / 3)
    first, last = floor(lowest / step), ceil(highest * 1.04 / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least - 1e-12)


def _plain(text: str) -> str:
    """Replace what the font cannot draw and what would break the line."""
    text = text.replace("→", "to").replace("·", "|")
    return "".join(
        letter if letter.isprintable() and ord(letter) < 0x250 else "?"  # noqa: PLR2004
        for letter in text[: 4 * _TITLE_MOST]
    )


def _fitted(text: str, size: int, room: float) -> str:
    """Cut a text to the room that it has."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text}...", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}..."
