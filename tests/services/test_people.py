"""Who is let in, who holds which role, and how people are named: what the catalog says, joined with
what the workspace says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bot.domain.catalog import Permission, Role
from bot.domain.errors import IntegrationError, NotAllowed
from bot.domain.people import Person
from bot.ports.people import Profile
from bot.services.people import MOST_NAMED, TERMINAL, UNKNOWN, Held, People
from tests.services.conftest import CATALOG

ANA, BO, CY, DI = (Person("T1", f"U{name}") for name in ("ANA", "BO", "CY", "DI"))
OPERATOR, FOREIGN = Person(TERMINAL, "operator"), Person("T2", "UBO")
AWAY = IntegrationError("no answer", vendor="Slack")
GONE = IntegrationError("there is no such group", vendor="Slack", retry=False)


@dataclass
class Told:
    """A workspace that says what it is told to; ``fresh`` notes how it was asked."""

    groups: dict[str, frozenset[Person] | IntegrationError] = field(
        default_factory=lambda: {"S1": frozenset({DI})}
    )
    guests: frozenset[Person] = frozenset()
    away: bool = False
    known: dict[Person, Profile] = field(default_factory=dict)
    fresh: list[bool] = field(default_factory=list)

    def remembered(self, person: Person) -> Profile | None:
        return self.known.get(person)

    async def profile(self, person: Person, *, fresh: bool = False) -> Profile:
        self.fresh.append(fresh)
        if self.away:
            raise AWAY
        return profile(person, is_member=person not in self.guests)

    async def members(self, group: str, *, fresh: bool = False) -> frozenset[Person]:
        self.fresh.append(fresh)
        found = self.groups[group]
        if isinstance(found, IntegrationError):
            raise found
        return found


def profile(person: Person, *, is_member: bool) -> Profile:
    return Profile(
        person,
        person.user.removeprefix("U").lower(),
        is_member=is_member,
        why_not="" if is_member else "is a guest",
    )


def people(told: Told) -> People:
    return People(CATALOG, told)


@pytest.mark.parametrize("fresh", [False, True])
async def test_members_are_let_in_and_whoever_works_at_the_terminal_without_a_question(
    *, fresh: bool
) -> None:
    told = Told()
    await people(told).admit(OPERATOR, fresh=fresh)
    assert told.fresh == []
    await people(told).admit(ANA, fresh=fresh)
    assert told.fresh == [fresh]


async def test_guests_and_people_of_other_companies_are_not_let_in() -> None:
    told = Told(guests=frozenset({CY}))
    with pytest.raises(NotAllowed, match="members of this workspace only; this account is a guest"):
        await people(told).admit(CY)
    with pytest.raises(NotAllowed, match=r"members of this workspace only\.$"):
        await people(told).admit(FOREIGN)
    with pytest.raises(NotAllowed, match=r"members of this workspace only\.$"):
        people(told).remembered(FOREIGN)


def test_who_was_last_known_to_be_no_member_is_not_let_in_and_nobody_else_is_kept_out() -> None:
    told = Told(
        away=True, known={CY: profile(CY, is_member=False), BO: profile(BO, is_member=True)}
    )
    for person in (ANA, BO, OPERATOR):
        people(told).remembered(person)
    with pytest.raises(NotAllowed, match="this account is a guest"):
        people(told).remembered(CY)
    assert told.fresh == [], "no directory is asked"


@pytest.mark.parametrize(
    ("group", "person", "holds"),
    [
        (frozenset({DI}), DI, True),
        (frozenset({DI}), BO, True),
        (frozenset({DI}), ANA, False),
        (frozenset(), DI, False),
        (AWAY, BO, True),
        (AWAY, DI, None),
        (GONE, DI, False),
    ],
)
async def test_a_role_is_held_by_name_or_through_a_group_that_can_be_read(
    group: frozenset[Person] | IntegrationError, person: Person, holds: bool | None
) -> None:
    told = people(Told({"S1": group}))
    if holds is None:
        with pytest.raises(IntegrationError, match="no answer"):
            await told.holds(person, "release_manager")
    else:
        assert await told.holds(person, "release_manager") is holds
    assert not await told.holds(person, "no such role")


async def test_a_group_that_is_away_gives_way_to_another_one_that_says_yes() -> None:
    roles = {"support": Role("support", groups=frozenset({"S1", "S2"}))}
    one_is_away: list[dict[str, frozenset[Person] | IntegrationError]] = [
        {"S1": AWAY, "S2": frozenset({DI})},
        {"S1": frozenset({DI}), "S2": AWAY},
    ]
    for groups in one_is_away:
        assert await People(replace(CATALOG, roles=roles), Told(groups)).holds(DI, "support")


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    ("person", "roles", "held"),
    [
        (BO, {"release_manager"}, Held(frozenset({"release_manager"}))),
        (
            BO,
            {"release_manager", "developer", "support"},
            Held(frozenset({"release_manager", "developer"})),
        ),
        (DI, {"release_manager", "support"}, Held(frozenset({"release_manager"}))),
        (ANA, {"release_manager"}, Held(why_not="who gave it is not release manager any more")),
        (
            ANA,
            {"support", "release_manager"},
            Held(why_not="who gave it is not release manager or support any more"),
        ),
        (CY, {"support"}, Held(why_not="this account is no member of the workspace any more")),
        (
            FOREIGN,
            {"release_manager"},
            Held(why_not="this account is no member of the workspace any more"),
        ),
    ],
)
async def test_what_somebody_holds_now_is_said_with_the_reason_where_it_is_nothing(
    person: Person, roles: set[str], held: Held, *, fresh: bool
) -> None:
    told = Told(guests=frozenset({CY}))
    found = await people(told).held_now(person, roles, fresh=fresh)
    assert found == held
    assert found.is_known
    assert set(told.fresh) <= {fresh}


@pytest.mark.parametrize("told", [Told(away=True), Told({"S1": AWAY})])
async def test_what_cannot_be_looked_up_is_not_known_and_counts_for_nothing(told: Told) -> None:
    found = await people(told).held_now(DI, {"release_manager"})
    assert (found.roles, found.why_not, found.is_known) == (frozenset(), UNKNOWN, False)


@pytest.mark.parametrize(
    ("person", "may", "has_a_role", "may_lead"),
    [
        (ANA, {Permission.DEPLOY, Permission.VIEW}, True, True),
        (BO, set(Permission), True, True),
        (DI, {Permission.LOCK, Permission.HAND_OVER}, True, True),
        (Person("T1", "UEVE"), set(), False, False),
        (OPERATOR, set(Permission), True, True),
    ],
)
async def test_a_permission_comes_through_any_role_and_the_terminal_has_all(
    person: Person, may: set[Permission], *, has_a_role: bool, may_lead: bool
) -> None:
    told = people(Told())
    assert {each for each in Permission if await told.may(person, each)} == may
    assert await told.has_a_role(person) is has_a_role
    assert await told.may_lead(person) is may_lead
    for permission in Permission:
        if permission in may:
            await told.require(person, permission, "do it")
            continue
        with pytest.raises(NotAllowed, match="You cannot do it") as refused:
            await told.require(person, permission, "do it")
        assert set(refused.value.roles) == CATALOG.permissions[permission]


async def test_a_permission_of_nobody_is_asked_of_whoever_keeps_the_file() -> None:
    told = People(replace(CATALOG, permissions={}), Told())
    with pytest.raises(
        NotAllowed, match=r"^You cannot do it\. No role can; ask whoever keeps gonogo\.yaml\.$"
    ) as refused:
        await told.require(ANA, Permission.DEPLOY, "do it")
    assert refused.value.roles == ()
    assert told.named_by_role(Permission.DEPLOY) == []
    assert told.anyone_with(Permission.DEPLOY) == ""
    both = People(
        replace(CATALOG, permissions={Permission.LOCK: frozenset({"support", "release_manager"})}),
        Told(),
    )
    assert both.who_can(Permission.LOCK) == "People with the role release manager or support can."
    assert both.anyone_with(Permission.LOCK) == "Anyone with the role release manager or support"
    three = People(
        replace(CATALOG, permissions={Permission.LOCK: frozenset({"a", "b", "release_manager"})}),
        Told(),
    )
    assert three.anyone_with(Permission.LOCK) == "Anyone with the role a, b or release manager"


async def test_a_door_lets_in_only_who_is_a_member_and_may() -> None:
    told = people(Told(guests=frozenset({BO})))
    await told.enter(ANA, Permission.DEPLOY, "do it")
    with pytest.raises(NotAllowed, match="You cannot do it"):
        await told.enter(ANA, Permission.LOCK, "do it")
    with pytest.raises(NotAllowed, match="members of this workspace only"):
        await told.enter(BO, Permission.DEPLOY, "do it")


@pytest.mark.parametrize(
    ("group", "found"),
    [(frozenset({DI}), {BO, DI, CY}), (AWAY, {BO, CY}), (GONE, {BO, CY}), (frozenset(), {BO, CY})],
)
async def test_whoever_holds_one_of_the_roles_is_listed_as_far_as_groups_can_be_read(
    group: frozenset[Person] | IntegrationError, found: set[Person]
) -> None:
    told = people(Told({"S1": group}))
    assert await told.with_roles(["release_manager", "support", "no such role"]) == found
    assert await told.with_roles([]) == frozenset()


async def test_people_are_called_by_their_names_by_what_was_known_of_them_or_by_their_ids() -> None:
    assert await people(Told()).name(BO) == "bo"
    assert await people(Told(away=True)).name(BO) == "UBO"
    assert (
        await people(
            Told(away=True, known={BO: replace(profile(BO, is_member=True), name="bo s.")})
        ).name(BO)
        == "bo s."
    )


async def test_who_is_mentioned_in_a_text_is_named_up_to_five_of_them() -> None:
    told = people(Told())
    assert (
        await told.named("ask @UBO, @UANA and @ubo (<U1>), a@UBO")
        == "ask @bo, @ana and @ubo (<U1>), a@bo"
    )
    many = [f"@UX{number}" for number in range(MOST_NAMED + 1)]
    assert await told.named(" ".join(many)) == " ".join(
        [f"@x{number}" for number in range(MOST_NAMED)] + many[MOST_NAMED:]
    )
