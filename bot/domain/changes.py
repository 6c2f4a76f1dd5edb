"""What lies between two commits: what a deployment brings, and what going back takes away."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain import plain


@dataclass(frozen=True, slots=True)
class Change:
    """One commit between what is live and what is being deployed."""

    commit: str
    subject: str
    author: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", plain.line(self.subject))
        object.__setattr__(self, "author", plain.line(self.author, plain.LONGEST_NAME))


@dataclass(frozen=True, slots=True)
class Taken:
    """The commits that the old one of two diverged commits has and the new one has
    not: they are taken away.
    """

    commits: tuple[Change, ...] = ()
    """Oldest first, perhaps cut; ``total`` counts all."""
    total: int = 0
    authors: tuple[str, ...] = ()
    known: bool = True
    """False when nobody could tell."""
    files: tuple[str, ...] = ()
    """The files that they touched."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "authors", _names(self.authors))
        object.__setattr__(
            self, "files", tuple(plain.line(each, plain.LONGEST_PATH) for each in self.files)
        )


def _names(authors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain.line(each, plain.LONGEST_NAME) for each in authors))


@dataclass(frozen=True, slots=True)
class Changes:
    """What lies between two commits. ``backwards`` is set when the new one is behind the old
    one (a rollback by hand).
    """

    commits: tuple[Change, ...] = ()
    """Oldest first, perhaps cut; ``total`` counts all."""
    total: int = 0
    authors: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()
    """Paths of database migrations in between."""
    files: tuple[str, ...] = ()
    url: str = ""
    base: str = ""
    """What was live when this was compared; empty when nothing is known."""
    backwards: bool = False
    known: bool = True
    """False when the provider could not compare."""
    taken: Taken = field(default_factory=Taken)
    """What is taken away, where the two have diverged; nothing where one of
    them is part of the other.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "authors", _names(self.authors))
        object.__setattr__(
            self,
            "migrations",
            tuple(plain.line(each, plain.LONGEST_PATH) for each in self.migrations),
        )
        object.__setattr__(
            self, "files", tuple(plain.line(each, plain.LONGEST_PATH) for each in self.files)
        )
        object.__setattr__(self, "url", plain.link(self.url))


def taken_by(there: Changes, back: Changes) -> Taken:
    """Say what is taken away, from what each of two commits has and the other has not (``back`` is
    the comparison the other way).
    """
    if there.backwards or back.backwards:
        return Taken()
    return Taken(back.commits, back.total, back.authors, known=back.known, files=back.files)
