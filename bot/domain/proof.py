"""What the audit chain proves, and what it does not: verified entry by entry, in memory
that does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.audit import (
    FIRST,
    FORMAT,
    RESTORED,
    UNSIGNED,
    Head,
    Key,
    Keys,
    Link,
    digest,
    is_signed,
)


class Checked(StrEnum):
    """How a stretch of the chain was checked."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"
    """It is consistent; whoever has the database could have written it anew."""
    UNKNOWN_KEY = "unknown key"
    """Signed with a key that was not given: only its place in the chain was checked."""
    UNKNOWN_FORMAT = "unknown format"


class Fault(StrEnum):
    """Why an entry does not hold."""

    CHANGED = "changed"
    UNLINKED = "unlinked"
    """It does not follow the entry before it."""
    MISNUMBERED = "misnumbered"


class Agreement(StrEnum):
    """How a head that was kept elsewhere agrees with the chain."""

    HOLDS = "holds"
    CUT_OFF = "cut off"
    """The chain ends before it."""
    REWRITTEN = "rewritten"
    FORGED = "forged"
    """Its own signature is not that of the key which it names."""
    ABANDONED = "abandoned"
    """It belongs to what was lost when the database was put back from a copy,
    which the chain itself says.
    """


class Verdict(StrEnum):
    """What may be believed in all."""

    PROVED = "proved"
    UNPROVED = "unproved"
    """Consistent, but somebody with the database could have written at least a part of it anew."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries in a row that were checked in the same way."""

    first: int
    last: int
    checked: Checked
    key: str = UNSIGNED


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that does not hold."""

    n: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Compared:
    """A head that was kept elsewhere, and how it agrees."""

    head: Head
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found."""

    since: int
    """The number of the first entry that was looked at."""
    head: Head | None
    """The last entry that holds; None for an empty log."""
    stretches: tuple[Stretch, ...] = ()
    broken: Break | None = None
    compared: tuple[Compared, ...] = ()

    @property
    def contradicted(self) -> Compared | None:
        """The first head that the chain contradicts."""
        wrong = [
            each
            for each in self.compared
            if each.agreement not in {Agreement.HOLDS, Agreement.ABANDONED}
        ]
        return min(wrong, key=lambda each: each.head.n, default=None)

    @property
    def verdict(self) -> Verdict:
        """Say what may be believed in all."""
        if self.broken is not None or self.contradicted is not None:
            return Verdict.BROKEN
        lost = any(each.agreement is Agreement.ABANDONED for each in self.compared)
        return Verdict.UNPROVED if lost or self.unproved or self.head is None else Verdict.PROVED

    @property
    def unproved(self) -> tuple[Stretch, ...]:
        """The stretches that no signature proves, nor a head that a person vouches for."""
        vouched = max((each.head.n for each in self.compared if _vouches(each)), default=0)
        return tuple(
            each
            for each in self.stretches
            if each.checked is not Checked.SIGNED
            and not (each.checked is Checked.UNSIGNED and each.last <= vouched)
        )

    @property
    def anchor(self) -> int:
        """The number up to which nothing was cut off or rewritten since a head was
        kept; 0 where there is none.
        """
        return max(
            (each.head.n for each in self.compared if each.agreement is Agreement.HOLDS), default=0
        )


def _vouches(compared: Compared) -> bool:
    return compared.head.is_given and compared.agreement is Agreement.HOLDS


def _is_text(link: Link) -> bool:
    """Tell whether every field is of its type: SQLite keeps what it is given."""
    texts = (
        link.at,
        link.actor,
        link.action,
        link.deployment,
        link.outcome,
        link.facts,
        link.key,
        link.previous,
        link.hash,
    )
    return all(type(text) is str for text in texts)


@dataclass(slots=True)
class Verifier:
    """Takes a chain piece by piece. With ``since`` it begins at that head's entry and
    believes what is before it.
    """

    keys: Keys
    heads: Iterable[Head] = ()
    since: Head | None = None
    _by_id: dict[str, Key] = field(default_factory=dict)
    _pending: dict[int, list[Head]] = field(default_factory=dict)
    _compared: list[Compared] = field(default_factory=list)
    _stretches: list[Stretch] = field(default_factory=list)
    _last: Head | None = None
    _broken: Break | None = None
    _restored: Link | None = None

    def __post_init__(self) -> None:
        self._by_id = {key.id: key for key in self.keys.known}
        for head in self.heads:
            self._expect(head)
        if self.since is not None:
            self._pending.setdefault(self.since.n, []).append(self.since)

    def take(self, links: Iterable[Link]) -> bool:
        """Verify the next links; False once one does not hold, and
        nothing after it is looked at.
        """
        for link in links:
            checked = self._checked(link)
            if isinstance(checked, Fault):
                self._broken = Break(link.n, checked)
                return False
            self._accept(link, checked)
        return True

    def report(self) -> Report:
        """Say what was found; ask when all has been taken."""
        compared = [*self._compared]
        if self._broken is None:
            compared += [
                Compared(head, self._lost(head, Agreement.CUT_OFF))
                for heads in self._pending.values()
                for head in heads
            ]
        return Report(
            self.since.n if self.since else 1,
            self._last,
            tuple(self._stretches),
            self._broken,
            tuple(compared),
        )

    def _expect(self, head: Head) -> None:
        key = self._by_id.get(head.key)
        if key is not None and not is_signed(head, key):
            self._compared.append(Compared(head, Agreement.FORGED))
        elif self.since is None or head.n >= self.since.n:
            self._pending.setdefault(head.n, []).append(head)

    def _checked(self, link: Link) -> Checked | Fault:
        """Check one link against the one before it, and its content against its
        hash where that can be done.
        """
        if link.n != self._next():
            return Fault.MISNUMBERED
        if link.previous != self._previous(link):
            return Fault.UNLINKED
        if link.format != FORMAT:
            return Checked.UNKNOWN_FORMAT
        key = self._by_id.get(link.key)
        if link.key != UNSIGNED and key is None:
            return Checked.UNKNOWN_KEY
        if not _is_text(link) or link.hash != digest(link, key):
            return Fault.CHANGED
        return Checked.SIGNED if key else Checked.UNSIGNED

    def _next(self) -> int:
        if self._last is not None:
            return self._last.n + 1
        return self.since.n if self.since else 1

    def _previous(self, link: Link) -> str:
        if self._last is not None:
            return self._last.hash
        return link.previous if self.since else FIRST

    def _accept(self, link: Link, checked: Checked) -> None:
        if link.action == RESTORED:
            self._restored = link
        for head in self._pending.pop(link.n, ()):
            agrees = head.hash == link.hash
            self._compared.append(
                Compared(head, Agreement.HOLDS if agrees else self._lost(head, Agreement.REWRITTEN))
            )
        self._last = Head(link.n, link.hash)
        latest = self._stretches[-1] if self._stretches else None
        if latest is not None and (latest.checked, latest.key) == (checked, link.key):
            self._stretches[-1] = Stretch(latest.first, link.n, checked, link.key)
        else:
            self._stretches.append(Stretch(link.n, link.n, checked, link.key))

    def _lost(self, head: Head, otherwise: Agreement) -> Agreement:
        """Tell a head of what a restore has lost from one of what somebody took away."""
        restored = self._restored
        is_lost = restored is not None and head.n >= restored.n and "" < head.at <= restored.at
        return Agreement.ABANDONED if is_lost else otherwise
