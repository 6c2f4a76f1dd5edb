"""Somebody says what is live, and the metrics say that it gets no requests and something else does:
nothing from before the word speaks for it, and it stays unclear what runs.
"""

from __future__ import annotations

import pytest

from bot.domain.commands import Deploy, SayLive, Status
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.places import Unclear
from bot.ports.store import Restored
from bot.queries import board
from bot.services import restoring
from tests.services.conftest import COMMITS, GOOD, MINUTE, Team

pytestmark = pytest.mark.case("reliability-7")
PLACE = ("shop", "production")
WORD = SayLive(*PLACE, "v2", "I looked")


async def is_restored_with_v2_healthy(team: Team) -> None:
    """Put the database back from a copy in which v2 is live and healthy."""
    await team.says("ana", Deploy(*PLACE, "v2"))
    await team.passes(4 * MINUTE)
    assert "healthy" in await team.says("ana", Status())
    await restoring.notice(team.context, Restored(7, 9, team.context.now()), ["C0OPS"])
    await team.passes(MINUTE)


def gets(team: Team, *, own: float | None, rest: float | None) -> None:
    """Say what v2 and everything else get."""
    team.numbers.new = Observed(2, 1000, requests=own) if own else None
    others = Observed(2, 1000, requests=rest) if rest else None
    team.numbers.since = [(team.context.now() - 60 * MINUTE, others)]


async def doubt_of(team: Team) -> Unclear | None:
    async with team.context.store.reading() as reader:
        found = await reader.doubt(*PLACE)
    return found.kind if found else None


async def test_a_verdict_from_before_a_word_is_not_shown_as_one_of_now(swift: Team) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=900, rest=None)
    await swift.says_live("bo", WORD)
    row = next(each for each in await board.rows(swift.context) if each.environment == PLACE[1])
    assert (row.unclear, row.snapshot) == ("", None)
    said = await swift.says("ana", Status())
    assert "v2 live on the word of <@UBO>" in said
    assert "healthy" not in said
    assert "its numbers have not been looked at since" in said


async def test_what_gets_no_requests_is_not_clear_by_a_word_and_the_status_says_what_was_seen(
    swift: Team,
) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=None, rest=1244)
    swift.numbers.gone = set(COMMITS.values())
    shown, told = await swift.says_live("bo", WORD, is_gone=False)
    assert "everything but v2" in shown
    why = (
        "v2 got no requests in the last minute, as the metrics see it, when it was said to be "
        "live, and something else got 1,244"
    )
    assert f"What runs there stays unclear: {why}." in told
    said = await swift.says("ana", Status())
    assert "*unclear what runs*, recorded last: v2 live on the word of <@UBO>" in said
    assert f"{why}." in said
    assert "healthy" not in said
    assert await doubt_of(swift) is Unclear.SEEN


@pytest.mark.parametrize(
    ("own", "rest", "is_unclear"),
    [
        (None, 1244, True),
        (10, 1244, False),  # beside others, which is for its numbers to say
        (900, None, False),
        (None, None, False),  # nobody is there, or nothing is known
    ],
)
async def test_a_word_stays_in_doubt_where_something_else_gets_the_requests(
    swift: Team, own: float | None, rest: float | None, *, is_unclear: bool
) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=own, rest=rest)
    await swift.says_live("bo", WORD)
    assert (await doubt_of(swift) is Unclear.SEEN) is is_unclear


async def test_it_is_clear_again_once_it_gets_them_all(swift: Team) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=None, rest=1244)
    await swift.says_live("bo", WORD)
    await swift.passes(5 * MINUTE)
    assert await doubt_of(swift) is Unclear.SEEN
    for own, rest in ((None, None), (30, 1244)):
        gets(swift, own=own, rest=rest)
        await swift.passes(5 * MINUTE)
        assert await doubt_of(swift) is Unclear.SEEN, (own, rest)
    swift.numbers.new, swift.numbers.gone = GOOD, {COMMITS["v1"], COMMITS["v3"]}
    gets(swift, own=1300, rest=None)
    await swift.passes(5 * MINUTE)
    assert await doubt_of(swift) is None
    (told,) = await swift.said("unseen")
    assert "gets no requests of another version any more: *v2* counts as what runs" in told


async def test_a_second_word_that_no_metrics_speak_for_forgets_nothing(swift: Team) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=None, rest=1244)
    await swift.says_live("bo", WORD)
    swift.numbers.breaks = IntegrationError("no answer", vendor="the metrics")
    told = (await swift.says_live("bo", WORD))[1]
    assert (
        "something else got the requests before, and no metrics said whether v2 gets any when it "
        "was said to be live"
    ) in told
    assert await doubt_of(swift) is Unclear.SEEN


async def test_what_is_asked_for_then_is_the_answer_to_it(swift: Team) -> None:
    await is_restored_with_v2_healthy(swift)
    gets(swift, own=None, rest=1244)
    await swift.says_live("bo", WORD)
    await swift.passes(MINUTE)
    swift.numbers.new, swift.numbers.since = GOOD, []
    await swift.says("ana", Deploy(*PLACE, "v3"))
    await swift.passes(5 * MINUTE)
    assert await doubt_of(swift) is None
    assert "v3" in await swift.says("ana", Status())
