"""Path patterns of gonogo.yaml mean what they mean in a .gitignore file."""

from __future__ import annotations

import pytest

from bot.catalog.paths import path_patterns
from bot.domain.changes import Changes
from bot.domain.rollback import migrations_in

FILES = (
    "db/001.sql",
    "db/a/b/002.sql",
    "migrations/1.sql",
    "migrations/a/2.sql",
    "shop/migrations/3.sql",
    "db/seed.sql",
    "app.py",
)

MEANT = {
    ("db/**/*.sql",): ("db/001.sql", "db/a/b/002.sql", "db/seed.sql"),
    ("migrations/*",): ("migrations/1.sql", "migrations/a/2.sql"),
    ("migrations/",): ("migrations/1.sql", "migrations/a/2.sql", "shop/migrations/3.sql"),
    ("/migrations/",): ("migrations/1.sql", "migrations/a/2.sql"),
    ("db/*.sql",): ("db/001.sql", "db/seed.sql"),
    ("db/**", "!db/seed.sql"): ("db/001.sql", "db/a/b/002.sql"),
    ("app.py",): ("app.py",),
    (): (),
}


@pytest.mark.case("adoption-5")
@pytest.mark.parametrize(("patterns", "files"), MEANT.items())
def test_a_migration_is_found_wherever_gitignore_would_find_it(
    patterns: tuple[str, ...], files: tuple[str, ...]
) -> None:
    assert migrations_in(Changes(files=FILES), path_patterns(patterns)) == files


@pytest.mark.parametrize("pattern", ["", "/", "!", "[", "# all of them", "db/[z-a].sql"])
def test_a_pattern_that_can_match_nothing_is_refused_with_a_remedy(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"Write it as in a \.gitignore file: migrations/"):
        path_patterns(["migrations/", pattern])
