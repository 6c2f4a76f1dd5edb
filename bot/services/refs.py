"""What a ref means for a service: asked of its CI provider, at every door
through this one function.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.called import apart, is_moved, name_of
from bot.domain.catalog import Catalog
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError
from bot.domain.versions import tags_of
from bot.ports.ci import CIProvider, RefKind, Resolved
from bot.ports.reader import Reader
from bot.ports.talk import Answer, Message, late_answer
from bot.ports.time import Json
from bot.services.context import Context


async def meant(catalog: Catalog, ci: CIProvider, service: str, ref: str) -> Resolved:
    """Ask which commit a ref means for a service.

    Raises IntegrationError: also for a tag that is the version of another service in the same
    repository. Its branches and commits belong to all.
    """
    resolved = await ci.resolve(ref)
    owner = tags_of(catalog, service).owner(resolved.name) if resolved.kind is RefKind.TAG else ""
    if owner:
        raise IntegrationError(
            f'The tag "{resolved.name}" is a version of {owner}, not of {service}. Name a version '
            f'of {service}, a branch, '
            f"or the commit, {resolved.commit[:10]}.",
            vendor="Go/No-Go", retry=False,
        )  # fmt: skip
    return resolved


async def look_up(context: Context, service: str, ref: str) -> Resolved:
    """Ask which commit a ref means for a service, and call it so that it cannot be taken for
    another that has had the same name here.

    Raises IntegrationError.
    """
    async with context.store.reading() as reader:
        commit = await _named_here(reader, service, ref)
    resolved = await meant(context.catalog, context.providers[service].ci, service, commit or ref)
    if commit:
        return replace(resolved, version=ref)
    async with context.store.reading() as reader:
        known = await reader.known_as(service, resolved.version)
    return replace(resolved, version=apart(resolved.version, resolved.commit, known=known))


async def _named_here(reader: Reader, service: str, ref: str) -> str:
    """Give the commit that a name is of that was given here, where two had the
    same; empty for any other.
    """
    known = await bearers(reader, service, ref) if name_of(ref) != ref else ()
    return known[0] if len(known) == 1 else ""


async def bearers(reader: Reader, service: str, ref: str) -> tuple[str, ...]:
    """List the commits that a name has meant here, newest first; for one that tells a commit apart
    (``v1.1.0@3f2a91c``) that commit, whether or not it had the name first.
    """
    name = name_of(ref)
    known = await reader.once_called(service, name)
    apart_by = ref.removeprefix(f"{name}@") if name != ref else ""
    return tuple(commit for commit in known if commit.startswith(apart_by))


def refused_late(deployment: Deployment, sentence: str) -> Message:
    """Refuse to the person alone what could not be looked up when they asked for it."""
    said = (
        f"The CI provider has answered about {deployment.title} ({deployment.id}), which "
        f"you asked for: {sentence}"
    )
    answer = Answer("refusal", {"sentence": said})
    return late_answer(f"{deployment.id}:refused", answer, deployment.requested_by)


def what_was_taken(resolved: Resolved | None, moved_from: str) -> dict[str, Json]:
    """Give what a ref was taken for, where it could have meant something else; empty where
    there is nothing to say.
    """
    if resolved is None or (resolved.latest is None and resolved.also is None and not moved_from):
        return {}
    return {
        "version": name_of(resolved.version), "kind": resolved.kind.value, "name": resolved.name,
        "latest": resolved.latest.value if resolved.latest else "",
        "also": resolved.also.value if resolved.also else "",
        "moved_from": moved_from,
    }  # fmt: skip


async def moved_from(reader: Reader, deployment: Deployment, version: str, commit: str) -> str:
    """Give the commit that a version meant when it was live in this environment, where
    it means another one now.
    """
    place = (deployment.service, deployment.environment)
    known = [await reader.live(*place), *await reader.releases(*place)]
    mine = (name_of(version), commit)
    return next(
        (
            each.commit
            for each in known
            if each and is_moved(mine, (name_of(each.version), each.commit))
        ),
        "",
    )
