"""A YAML file as plain values that remember their lines.

Values are built from ruamel.yaml's nodes, so that a mistake can be shown where it stands. Dates and
times stay text: what they mean depends on a time zone that stands elsewhere in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from bot.domain.errors import ConfigurationError
from bot.domain.limits import CATALOG, Unreadable
from bot.foreign import yaml_reader, yaml_text

Loc = tuple[str | int, ...]
"""Where something stands: ``("services", "storefront", "channel")``."""

MOST_VALUES = CATALOG.items
"""More values than any catalog has; a file of aliases of aliases is stopped here."""

MERGE = "<<"
OURS_NOT = "x-"
"""What begins so at the top of the file is the team's own, a place for anchors."""
_UNDEFINED = re.compile(r"undefined alias '?\*?([^'\s]+)'?")


@dataclass
class Document:
    """A file's values, the line of each, and every problem found so far."""

    path: Path
    value: Any = None
    _lines: dict[Loc, int] = field(default_factory=dict)
    _problems: list[tuple[int, str]] = field(default_factory=list)

    def line(self, loc: Loc) -> int:
        """Find the line of a value, or of the nearest value around it."""
        while loc and loc not in self._lines:
            loc = loc[:-1]
        return self._lines.get(loc, 1)

    @property
    def count(self) -> int:
        """Say how many problems have been found so far."""
        return len(self._problems)

    def knows(self, loc: Loc) -> bool:
        """Tell whether something stands there."""
        return loc in self._lines

    def problem(self, loc: Loc, sentence: str) -> None:
        """Note a problem; ``sentence`` says what is wrong and what to do."""
        where = ".".join(str(part) for part in loc)
        self._note(self.line(loc), f"{where}: {sentence}" if where else sentence)

    def placed(self, problem: str) -> str:
        """Put file and line before a problem that begins with a path of the file;
        any other stays as it is.
        """
        path, colon, _ = problem.partition(": ")
        known = {
            ".".join(str(part) for part in loc): line for loc, line in self._lines.items() if loc
        }
        while colon and path:
            if path in known:
                return f"{self.path.name}:{known[path]}: {problem}"
            path = path.rpartition(".")[0]
        return problem

    def check(self) -> None:
        """Raise ConfigurationError with every problem, in the order of the file;
        nothing when there is none.
        """
        if self._problems:
            lines = dict.fromkeys(
                f"{self.path.name}:{line}: {sentence}" for line, sentence in sorted(self._problems)
            )
            raise ConfigurationError("\n".join(lines))

    def _note(self, line: int, sentence: str) -> None:
        self._problems.append((line, sentence))

    def _build(self, node: Node, loc: Loc) -> Any:
        self._lines.setdefault(loc, node.start_mark.line + 1)
        if len(self._lines) > MOST_VALUES:
            raise ConfigurationError(
                f"{self.path.name}: has more than {MOST_VALUES:,} values; split it, or "
                "look for aliases of aliases."
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self._build(each, (*loc, index)) for index, each in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: MappingNode, loc: Loc) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for key, value in self._pairs(node, loc):
            name, line = str(key.value), key.start_mark.line + 1
            if name in found:
                self._note(
                    line,
                    f"{'.'.join(str(part) for part in (*loc, name))}: is here twice; remove one.",
                )
            elif loc or not name.startswith(OURS_NOT):
                self._lines[*loc, name] = line
                found[name] = self._build(value, (*loc, name))
        return found

    def _pairs(self, node: MappingNode, loc: Loc) -> list[tuple[Node, Node]]:
        """List a mapping's own keys, and then those that it merges (``<<: *defaults``)
        and does not say itself.
        """
        own = [(key, value) for key, value in node.value if key.value != MERGE]
        known = {str(key.value) for key, _ in own}
        for key, value in node.value:
            for merged in (
                self._merged(value, key.start_mark.line + 1, loc) if key.value == MERGE else ()
            ):
                new = [pair for pair in self._pairs(merged, loc) if str(pair[0].value) not in known]
                known |= {str(each.value) for each, _ in new}
                own += new
        return own

    def _merged(self, node: Node, line: int, loc: Loc) -> list[MappingNode]:
        merged = node.value if isinstance(node, SequenceNode) else [node]
        if not all(isinstance(each, MappingNode) for each in merged):
            self._note(
                line,
                (
                    f"{'.'.join(str(part) for part in (*loc, MERGE))}: merges no mapping. Name an "
                    "anchor of one, as in <<: *defaults."
                ),
            )
            return []
        return list(merged)


def _bytes(path: Path) -> bytes:
    """Read no more of a file than is allowed: it may be a device, or have no end."""
    with path.open("rb") as file:
        return file.read(CATALOG.size + 1)


def read(path: Path, *, is_named: bool = False) -> Document:
    """Read a file; ``is_named`` when the command named it, not GONOGO_CONFIG. Raises
    ConfigurationError when it cannot be read or is not YAML.
    """
    try:
        text = yaml_text(_bytes(path), CATALOG)
    except (OSError, Unreadable) as error:
        why = (
            error.strerror
            if isinstance(error, OSError)
            else str(error).replace("gonogo.yaml ", "it ").removesuffix(".")
        )
        where = "Look at the path" if is_named else "Set GONOGO_CONFIG to your file"
        remedy = f"{where}; gonogo schema prints what the file may hold."
        raise ConfigurationError(f"{path}: cannot be read ({why}). {remedy}") from error
    document = Document(path)
    try:
        node = yaml_reader(CATALOG).compose(text)
        document.value = {} if node is None else document._build(node, ())  # noqa: SLF001 - it builds itself here
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path.name}:{line}: {_what_is_wrong(error)}") from error
    except Unreadable as error:
        raise ConfigurationError(
            f"{path.name}: {str(error).removeprefix('gonogo.yaml ')} Look for "
            "lists in lists in lists."
        ) from error
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise ConfigurationError(
            f"{path.name}: this is not YAML. Check for control characters and for "
            "lists in lists in lists."
        ) from error
    return document


def _what_is_wrong(error: MarkedYAMLError) -> str:
    """Say what a YAML reader stumbled over, and what to do about it."""
    problem = str(error.problem or "")
    alias = _UNDEFINED.search(problem)
    if alias:
        name = alias[1]
        return (
            f'there is no anchor "{name}" before *{name}. Write &{name} before the value that is '
            "meant, or put the text into quotes."
        )
    if "another document" in problem or "single document" in str(error.context or ""):
        return (
            "a second document begins here (---). The file holds one; remove the line, or the rest."
        )
    return f"this is not YAML: {problem}. Check the indentation and the quotes."


def _scalar(node: Node) -> str | int | float | bool | None:
    text: str = node.value
    kind = str(node.tag).rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        if kind == "int":
            return int(text.replace("_", ""))
        return float(text.replace("_", "")) if kind == "float" else text
    except ValueError:
        return text
