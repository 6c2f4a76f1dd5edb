"""How many cards are drawn for each edit that goes out, and how long an urgent card waits, when
many cards have changed.

Two ways in one run, on the same cards and the same budget of edits (45 a minute), in virtual time:

- ``draw first``: as it was; every due card is drawn in turn, and then Slack's pace is
  asked whether it may go out.
- ``ask first``: as it is; the pace is asked, then the most urgent card is drawn
  as it is at that moment.

A draw is the drawing alone, without the questions to the database that fill a card. CPU is the
process's own, as a share of the virtual time.

    python -m benchmarks.redraw [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from bot.domain.card import Card
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import Person
from bot.domain.urgency import urgency
from bot.ports.talk import CardDue, Posting, Postings
from bot.slack.blocks import Drawn
from bot.slack.cards import deployment_card
from bot.slack.client import SlackClient
from bot.slack.pacing import UPDATE, Pacing
from bot.slack.postman import Postman
from bot.slack.render import Words
from bot.slack.showing import Cards, card_key

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
URGENT = "shop-0"
TICK = 0.0001
"""Virtual seconds that a round takes by itself."""


@dataclass
class Memory:
    """What the announcer remembers, and a Slack that takes every edit."""

    stored: dict[str, Posting] = field(default_factory=dict)
    edited: list[str] = field(default_factory=list)

    async def get(self, key: str) -> Posting | None:
        """Read a posting."""
        return self.stored.get(key)

    async def save(self, posting: Posting) -> None:
        """Store a posting."""
        self.stored[posting.key] = posting

    async def update(self, _channel: str, _ts: str, _drawn: Drawn, *, key: str) -> None:
        """Edit a message."""
        self.edited.append(key)


@dataclass
class Bench:
    """Cards that have all changed, and a clock that is moved."""

    count: int
    at: float = 0.0
    drawn: int = 0
    urgent_at: float = 0.0
    memory: Memory = field(default_factory=Memory)
    words: Words = field(default_factory=lambda: Words(now=lambda: NOW))

    def __post_init__(self) -> None:
        """Post every card."""
        self.pacing = Pacing(lambda: self.at)
        client, postings = cast("SlackClient", self.memory), cast("Postings", self.memory)
        self.postman = Postman(client, postings, self.pacing)
        ana = Person("T1", "UANA")
        self.base = Deployment(
            "shop-0",
            Kind.FORWARD,
            "shop",
            "production",
            "v2",
            "v2",
            "c" * 40,
            "canary",
            ana,
            ana,
            State.ROLLING_OUT,
            NOW,
            NOW,
            channel="C1",
        )
        self.cards = {
            f"shop-{number}": self._card(f"shop-{number}") for number in range(self.count)
        }
        self.memory.stored = {
            card_key(each): Posting(card_key(each), "C1", "1.1", "old") for each in self.cards
        }

    def _card(self, id: str, **changes: Any) -> Card:
        return Card(replace(self.base, id=id, **changes), NOW)

    def catches_fire(self) -> None:
        """Have the last card in the queue roll back."""
        self.cards[URGENT] = self._card(URGENT, state=State.ROLLING_BACK)

    async def card_of(self, id: str) -> Card | None:
        """Fill a card."""
        self.drawn += 1
        return self.cards[id]

    async def cards_due(self, ids: Collection[str]) -> Mapping[str, CardDue]:
        """Say how urgent cards are."""
        states = {each: self.cards[each].deployment.state for each in ids}
        return {
            each: CardDue(each, urgency(state, is_degraded=False), state)
            for each, state in states.items()
        }

    def note_urgent(self) -> None:
        """Remember when the urgent card was shown."""
        if not self.urgent_at and card_key(URGENT) in self.memory.edited:
            self.urgent_at = self.at

    async def draw_first(self, seconds: float) -> None:
        """Work as it was until the time is over."""
        due = dict.fromkeys([*list(self.cards)[1:], URGENT], 0.0)
        while self.at < seconds and due:
            ready = next((each for each, when in due.items() if when <= self.at), "")
            if not ready:
                self.at = min(due.values())
                continue
            del due[ready]
            card = await self.card_of(ready)
            assert card is not None  # noqa: S101 - it is there
            drawn = deployment_card(card, self.words)
            wait = self.pacing.wait(UPDATE, "C1")
            if wait:
                due[ready] = self.at + wait + TICK
                continue
            await self.postman.edit(self.memory.stored[card_key(ready)], drawn)
            self.note_urgent()

    async def ask_first(self, seconds: float) -> None:
        """Work as it is until the time is over."""
        cards = Cards(
            self.card_of,
            self.cards_due,
            self.words,
            self.postman,
            self.pacing,
            min_interval=1.0,
            now=lambda: self.at,
        )
        for each in [*list(self.cards)[1:], URGENT]:
            cards.changed(each)
        while self.at < seconds:
            pause = await cards.round()
            self.note_urgent()
            if pause is None:
                return
            self.at += pause + TICK


def measure(way: str, count: int, seconds: float) -> str:
    """Measure one way; give its line."""
    bench = Bench(count)
    bench.catches_fire()
    before = time.process_time()
    asyncio.run(bench.draw_first(seconds) if way == "draw first" else bench.ask_first(seconds))
    used = time.process_time() - before
    edits = len(bench.memory.edited)
    urgent = f"{bench.urgent_at:.1f} s" if bench.urgent_at else "not yet"
    return (
        f"{way:<12} {count:>6} {edits:>6} {bench.drawn:>7} {bench.drawn / max(edits, 1):>10.1f} "
        f"{used / seconds:>7.1%} {urgent:>12}"
    )


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Count draws per edit.")
    arguments.add_argument(
        "--quick", action="store_true", help="ten virtual seconds: it shows that it works"
    )
    seconds = 10.0 if arguments.parse_args().quick else 60.0
    print(f"{seconds:.0f} virtual seconds, 45 edits a minute after 10 at once")
    print(
        f"{'':<12} {'due':>6} {'edits':>6} {'draws':>7} {'per edit':>10} "
        f"{'CPU':>7} {'urgent after':>12}"
    )
    for count in (100, 1000):
        for way in ("draw first", "ask first"):
            print(measure(way, count, seconds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
