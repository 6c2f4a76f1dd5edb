"""What people type for a tag, a branch or a commit, and what it can mean."""

from __future__ import annotations

import pytest

from bot.dispatch.typed import parse_deploy
from bot.domain.errors import IntegrationError, UnknownRef
from bot.domain.validation import check_ref
from bot.domain.versions import Tags
from bot.ports.ci import RefKind
from bot.providers.ci.refs import Spelling, checked, spellings, unknown

TAG, BRANCH, COMMIT = RefKind.TAG, RefKind.BRANCH, RefKind.COMMIT
FULL = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.case("ci-and-refs-11")
@pytest.mark.parametrize(
    ("ref", "meant"),
    [
        ("v1", [(TAG, "v1"), (BRANCH, "v1")]),
        ("heads/v1", [(BRANCH, "v1"), (TAG, "heads/v1"), (BRANCH, "heads/v1")]),
        ("tags/v1", [(TAG, "v1"), (TAG, "tags/v1"), (BRANCH, "tags/v1")]),
        ("refs/heads/v1", [(BRANCH, "v1")]),
        ("refs/tags/a/b", [(TAG, "a/b")]),
        ("abcdef1", [(TAG, "abcdef1"), (BRANCH, "abcdef1"), (COMMIT, "abcdef1")]),
        (FULL, [(COMMIT, FULL)]),
    ],
)
def test_a_tag_and_a_branch_of_one_name_can_each_be_named(
    ref: str, meant: list[tuple[RefKind, str]]
) -> None:
    assert list(spellings(ref)) == [Spelling(kind, name) for kind, name in meant]


@pytest.mark.case("ci-and-refs-12")
@pytest.mark.parametrize("ref", ["ABCDEF12", "AbCdEf12", FULL.upper()])
def test_a_commit_in_capitals_is_known(ref: str) -> None:
    assert Spelling(COMMIT, ref.lower()) in spellings(ref)


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.parametrize(
    "ref", ["@acme/web@1.2.0", "web/v1.2.0", "web@1.2.0", "refs/tags/@acme/web@1.2.0"]
)
def test_a_tag_with_at_and_slash_can_be_typed(ref: str) -> None:
    assert checked(check_ref(ref), "CI") == ref
    assert getattr(parse_deploy(f"web {ref} to staging"), "ref", "") == ref


@pytest.mark.parametrize(
    "ref", ["@", "@{1}", "@/x", "-x", "a..b", "a//b", "@acme/-x", "x.lock", "a@{b", "v1\u00a0x", ""]
)
def test_what_could_be_read_as_something_else_is_refused(ref: str) -> None:
    with pytest.raises(IntegrationError, match="cannot be the name"):
        checked(ref, "CI")


@pytest.mark.case("ci-and-refs-12")
def test_a_ref_that_is_not_there_comes_with_the_nearest_that_can_be_typed() -> None:
    refused = unknown(
        "V1.1.0", "acme/shop", ["v1.1.0", "v1.1.0\u00a0old", "main"], vendor="CI", tags=Tags()
    )
    assert isinstance(refused, UnknownRef)
    assert refused.nearest == ("v1.1.0",)
    assert (
        str(refused)
        == 'There is no tag, branch or commit "V1.1.0" in acme/shop. Did you mean v1.1.0?'
    )


@pytest.mark.case("ci-and-refs-2")
def test_a_name_that_is_there_and_is_no_commit_is_never_offered_as_its_own_correction() -> None:
    said = str(unknown("v9.5.0", "acme/shop", ["v9.5.0", "v9.4.0"], vendor="GitHub", tags=Tags()))
    assert said == (
        'The tag "v9.5.0" stands at a file or a folder, not at a commit, so '
        "there is nothing to deploy."
    )


@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [("search-v0.3.0", ()), ("0.2.0", ()), ("chekcout-v1.1.0", ("checkout-v1.1.0",))],
)
def test_no_version_of_another_service_is_proposed(typed: str, meant: tuple[str, ...]) -> None:
    names, tags = (
        ["checkout-v1.1.0", "search-v0.1.0", "search-v0.2.0", "main"],
        Tags("checkout", others=(Tags("search"),)),
    )
    refused = unknown(typed, "acme/shop", names, vendor="CI", tags=tags)
    assert isinstance(refused, UnknownRef)
    assert refused.nearest == meant
