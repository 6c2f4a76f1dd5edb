"""The words: Jinja2 templates to Slack's mrkdwn, with every printed value made harmless.

Whatever a template prints goes through ``finalize``: control, direction and zero-width characters
disappear, ``& < >`` are escaped, formatting characters lose their effect, and long values are cut.
Only our own filters (``mention``, ``link``, ``when`` …) make markup. A team can put templates of
its own into a folder; all templates run in Jinja2's immutable sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateSyntaxError,
)
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.domain.errors import ConfigurationError
from bot.domain.near import did_you_mean, near
from bot.slack.filters import FILTERS, SPACES, plain, shown, untranslated

log = structlog.get_logger(__name__)

UNSAFE_FILTERS = (
    "safe",
    "escape",
    "e",
    "forceescape",
    "join",
    "xmlattr",
    "tojson",
    "urlize",
    "striptags",
)
"""Filters of Jinja2 that make markup, or escape for HTML."""


@cache
def _environment(folder: Path | None) -> ImmutableSandboxedEnvironment:
    """Make the one environment of a folder: templates are compiled once per process."""
    loaders: list[BaseLoader] = [FileSystemLoader(folder)] if folder else []
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*loaders, PackageLoader("templates", "slack")]),
        undefined=StrictUndefined, autoescape=True,
        finalize=shown, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in UNSAFE_FILTERS:
        environment.filters.pop(name, None)
    environment.filters.update(FILTERS)
    return environment


def _rendered(
    environment: ImmutableSandboxedEnvironment, template: str, facts: Mapping[str, Any]
) -> str:
    name, _, block = template.partition("#")
    found = environment.get_template(f"{name}.md.j2")
    if not block:
        return found.render(facts)
    return "".join(found.blocks[block](found.new_context(dict(facts))))


class Words:
    """Everything that the bot says in Slack. ``folder`` holds a team's own templates, in the same
    tree as ``templates/slack``.
    """

    def __init__(
        self, folder: Path | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = folder
        self._environment = _environment(folder)
        self._now = now
        self._unusable: dict[str, str] = {}

    @property
    def environment(self) -> ImmutableSandboxedEnvironment:
        """Where the templates are read: ours, and the team's own before them."""
        return self._environment

    @property
    def problem(self) -> str:
        """Say which of the team's templates could not be filled and stand back behind
        ours; empty when none does.
        """
        return "; ".join(
            f"{name.partition('#')[0]}.md.j2 of GONOGO_TEMPLATES: {why}. Ours is used."
            for name, why in sorted(self._unusable.items())
        )

    def text(self, template: str, facts: Mapping[str, Any]) -> str:
        """Fill ``templates/slack/TEMPLATE.md.j2``, or with ``TEMPLATE#BLOCK`` one block of it:
        mrkdwn, no empty lines at its ends and never two together.

        A team's template that fails keeps no message back: ours takes its place.
        """
        filled = self._filled(template, {"now": self._now(), **facts})
        lines = [line.rstrip() for line in filled.strip().split("\n")]
        return "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1]))

    def _filled(self, template: str, facts: Mapping[str, Any]) -> str:
        name = f"{template.partition('#')[0]}.md.j2"
        if self._folder is None or not self._is_own(template):
            return _rendered(_environment(None), template, facts)
        try:
            filled = _rendered(self._environment, template, facts)
        except Exception as error:  # noqa: BLE001 - it may do anything, and the message has to be said
            why = f"{type(error).__name__}: {plain(error)}"
            if self._unusable.get(template) != why:
                log.warning(
                    "a template of the team's own cannot be filled; ours is used",
                    template=name,
                    why=why,
                )
            self._unusable[template] = why
            return _rendered(_environment(None), template, facts)
        self._unusable.pop(template, None)
        return filled

    def _is_own(self, template: str) -> bool:
        """Tell whether what the team has put in place of one of ours has it: a team may
        write some blocks of a template anew, and leave the others to us.
        """
        name, _, block = template.partition("#")
        return not block or block in self._environment.get_template(f"{name}.md.j2").blocks

    def has(self, template: str, block: str) -> bool:
        """Tell whether one of our templates has a block."""
        return block in _environment(None).get_template(f"{template}.md.j2").blocks

    def line(self, template: str, facts: Mapping[str, Any]) -> str:
        """Fill a template that makes one line; line breaks in it are only for
        whoever writes the template.
        """
        return SPACES.sub(" ", self.text(template, facts))

    def plain_line(self, template: str, facts: Mapping[str, Any], longest: int) -> str:
        """Fill a template for a place where Slack reads no markup (dialogs):
        nothing is escaped there.
        """
        line = untranslated(self.line(template, facts)).replace("\u2060", "")
        return plain(line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), longest)

    def examine(self) -> None:
        """Read every template of the team's own. Raises ConfigurationError naming each that is
        broken, or that no message has.
        """
        if self._folder is None:
            return
        if not self._folder.is_dir():
            raise ConfigurationError(
                f"GONOGO_TEMPLATES: there is no folder {self._folder}. Correct "
                "the path, or do not set it."
            )
        own = {
            path.relative_to(self._folder).as_posix(): path
            for path in sorted(self._folder.rglob("*.j2"))
        }
        problems, included = [], set[str]()
        for path in own.values():
            try:
                included |= {
                    name
                    for name in find_referenced_templates(
                        self._environment.parse(path.read_text(encoding="utf-8"))
                    )
                    if name
                }
                self._environment.compile(path.read_text(encoding="utf-8"))
            except TemplateSyntaxError as error:
                problems.append(
                    f"{path}:{error.lineno}: {error.message}. Correct the template, "
                    "or remove it to have ours."
                )
            except (OSError, ValueError) as error:
                problems.append(
                    f"{path}: cannot be read as text ({type(error).__name__}). Correct it, "
                    "or remove it to have ours."
                )
        ours = PackageLoader("templates", "slack").list_templates()
        problems += [
            _unused(path, name, ours)
            for name, path in own.items()
            if name not in {*ours, *included}
        ]
        if problems:
            raise ConfigurationError("\n".join(problems))

    def names(self) -> list[str]:
        """List all templates."""
        return self._environment.list_templates()


def _unused(path: Path, name: str, ours: Iterable[str]) -> str:
    meant = did_you_mean(near(name, ours))
    return (
        f"{path}: no message has this name. {f'{meant} ' if meant else ''}Rename it, or remove it."
    )
