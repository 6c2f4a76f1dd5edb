"""gonogo.yaml to plain values; mistakes are reported with file, line and remedy, all at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.catalog.build import Builder, Known, Offer
from bot.catalog.document import OURS_NOT, Document, read
from bot.catalog.mistakes import note_all
from bot.catalog.rotas import build_rota
from bot.catalog.shape import GonogoShape
from bot.domain.catalog import Catalog
from bot.domain.errors import ConfigurationError
from bot.domain.rota import Rota

__all__ = ["Known", "Loaded", "Offer", "json_schema", "load_catalog"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a gonogo.yaml says."""

    catalog: Catalog
    rotas: Mapping[str, Rota] = field(default_factory=dict)
    path: Path = Path("gonogo.yaml")
    digest: str = ""
    """SHA-256 of the file, for the audit log."""
    document: Document | None = None
    """The file, to say where something stands in it."""

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Say of a problem that is found later, when providers are built,
        where it stands in the file.
        """
        try:
            yield
        except ConfigurationError as error:
            if self.document is None:
                raise
            raise type(error)(
                "\n".join(self.document.placed(line) for line in str(error).split("\n"))
            ) from error


def load_catalog(path: Path | str, known: Known, *, is_named: bool = False) -> Loaded:
    """Read and check a gonogo.yaml; ``known`` providers can be named in it, and ``is_named`` when
    the command named it, not GONOGO_CONFIG. Raises ConfigurationError with one line per problem.
    """
    path = Path(path)
    document = read(path, is_named=is_named)
    try:
        shape = GonogoShape.model_validate(document.value)
    except ValidationError as error:
        note_all(document, error, GonogoShape)
        document.check()
        raise
    catalog = Builder(document, shape, known).catalog()
    rotas = {
        name: build_rota(document, name, rota, shape.team) for name, rota in shape.rotas.items()
    }
    document.check()
    complete = {name: rota for name, rota in rotas.items() if rota is not None}
    return Loaded(catalog, complete, path, hashlib.sha256(path.read_bytes()).hexdigest(), document)


def json_schema() -> dict[str, Any]:
    """Describe gonogo.yaml for editors (JSON Schema, draft 2020-12)."""
    schema: dict[str, Any] = _unwrapped(GonogoShape.model_json_schema(by_alias=True))
    own: dict[str, Any] = {"patternProperties": {f"^{OURS_NOT}": {}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        **own,
        "title": "gonogo.yaml",
    }


def _unwrapped(part: Any) -> Any:
    """Take the line breaks out of descriptions: the source has them, a sentence has none."""
    if isinstance(part, list):
        return [_unwrapped(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: re.sub(r"(?<!\n)\n(?!\n)", " ", value)
        if key == "description" and isinstance(value, str)
        else _unwrapped(value)
        for key, value in part.items()
    }
