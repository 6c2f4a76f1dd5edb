"""What a ref means for a service: asked of its CI provider, at every door through this one function."""

from __future__ import annotations

from bot.domain.catalog import Catalog
from bot.domain.errors import IntegrationError
from bot.domain.versions import tags_of
from bot.ports import CIProvider, RefKind, Resolved


async def meant(catalog: Catalog, ci: CIProvider, service: str, ref: str) -> Resolved:
    """Ask which commit a ref means for a service.

    Raises IntegrationError: also for a tag that is the version of another service in the same repository. Its branches and commits
    belong to all.
    """
    resolved = await ci.resolve(ref)
    owner = tags_of(catalog, service).owner(resolved.name) if resolved.kind is RefKind.TAG else ""
    if owner:
        raise IntegrationError(
            f'The tag "{resolved.name}" is a version of {owner}, not of {service}. Name a version of {service}, a branch, '
            f"or the commit, {resolved.commit[:10]}.",
            vendor="Go/No-Go", retry=False,
        )  # fmt: skip
    return resolved
