"""Path patterns of gonogo.yaml, compiled: they mean what they would mean in a .gitignore file
at the repository's root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec

from bot.domain.catalog import PathPatterns

REMEDY = "Write it as in a .gitignore file: migrations/, db/**/*.sql"


def path_patterns(written: Iterable[str]) -> PathPatterns:
    """Compile patterns. Raises ValueError, with a remedy, for the first that can match nothing."""
    written = tuple(written)
    for pattern in written:
        _checked(pattern)
    if not written:
        return PathPatterns()
    return PathPatterns(written, GitIgnoreSpec.from_lines(written).match_file)


def _checked(pattern: str) -> None:
    try:
        spec = GitIgnoreSpec.from_lines([pattern])
    except (ValueError, re.error):
        raise ValueError(f'"{pattern}" is no path pattern. {REMEDY}.') from None
    if not any(each.include is not None for each in spec.patterns):
        raise ValueError(f'"{pattern}" matches no file at all. {REMEDY}.')
