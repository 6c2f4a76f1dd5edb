"""Whether a name in the file is one that is there, and the nearest one where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.catalog.document import Document, Loc
from bot.catalog.mistakes import instead
from bot.catalog.shape import GonogoShape


@dataclass(frozen=True, slots=True)
class Names:
    """Checks names against each other; problems are noted in the document."""

    document: Document
    shape: GonogoShape

    def known(
        self, word: str, known: Iterable[str], loc: Loc, what: str, listed: str = "Defined"
    ) -> bool:
        """Tell whether a word is known; note it when it is not."""
        names = list(known)
        if word in names:
            return True
        self.document.problem(loc, f'there is no {what} "{word}". {instead(word, names, listed)}')
        return False

    def role(self, role: str, loc: Loc) -> bool:
        """Tell whether a role is defined; note it when it is not."""
        return self.known(role, self.shape.roles, loc, "role")

    def held(self, role: str, loc: Loc) -> bool:
        """Tell whether a defined role is held by somebody; note it when nobody holds it."""
        it = self.shape.roles.get(role)
        if it is not None and not it.people and not it.groups:
            self.document.problem(
                loc,
                (
                    f"nobody holds the role {role}, so this could never be cleared. Name people or "
                    f"groups under roles.{role}."
                ),
            )
            return False
        return it is not None

    def unique(self, keys: list[str], loc: Loc) -> None:
        """Note each key that is there twice."""
        for index, key in enumerate(keys):
            if key in keys[:index]:
                self.document.problem(
                    (*loc, index, "key"), f'"{key}" is here twice; give each its own key.'
                )
