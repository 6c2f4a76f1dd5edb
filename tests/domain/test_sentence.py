"""The words of a command: what is forgiven, what is refused, and what is read back as written."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.domain.errors import NotUnderstood
from bot.domain.sentence import LONGEST_TEXT, QUOTES, STAYS, Sentence, because, read_name
from bot.domain.usage import LIST, NOT_YET, Usage, nearest
from bot.domain.validation import RESERVED_NAMES, check_reason

LOCK = Usage("/deploy lock SERVICE|all ENVIRONMENT because TEXT", "Lock it.", ())
STATUS = Usage("/deploy status [SERVICE]", "Say what runs.", ())
ROLLBACK = Usage("/rollback SERVICE because TEXT", "Go back.", ())
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda name: name not in RESERVED_NAMES | {"lead", "to"}
)


def said(text: str, usage: Usage | None = None) -> Sentence:
    sentence = Sentence.read(text)
    sentence.usage = usage
    return sentence


def words(text: str) -> list[str]:
    sentence, found = Sentence.read(text), []
    while sentence.peek():
        found.append(sentence.take())
    return found


def refusal(text: str, read: str, *given: str, usage: Usage | None = LOCK) -> str:
    with pytest.raises(NotUnderstood) as refused:
        getattr(said(text, usage), read)(*given)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "shop v1 production", "  shop \t v1\n\nproduction ", '"shop" `v1` production.',
        "\u201cshop\u201d, v1; production!", "'shop': 'v1.' 'production'?", "shop v1 production …",
        "shop . v1 , production", "\u00abshop\u00bb v1, \u201eproduction\u201c",
    ],
)  # fmt: skip
def test_spaces_quotes_and_punctuation_at_the_end_change_no_word(text: str) -> None:
    assert words(text) == ["shop", "v1", "production"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("<https://v1.2.0.example.com|v1.2.0>", "v1.2.0"),
        ("<https://shop.io>", "https://shop.io"),
        ("<mailto:a@b.io|a@b.io>", "a@b.io"),
        ("<tel:123|v123>", "v123"),
        ("&lt;v1&gt;", "<v1>"),
        ("a&amp;b", "a&b"),
        ("&amp;lt;x", "&lt;x"),
        ("v1&gt;;", "v1>"),
        ("<@U1|ana b>", "<@U1|ana b>"),
        ("v1.2.0.", "v1.2.0"),
        (".hidden", ".hidden"),
    ],
)
def test_what_slack_makes_of_a_word_is_taken_off_again(text: str, word: str) -> None:
    assert words(text) == [word]


@pytest.mark.parametrize("word", ["because", "Because", "BECAUSE", '"because"', "because:"])
def test_the_reason_begins_behind_the_first_because_however_it_is_written(word: str) -> None:
    sentence = said(f"shop production {word} errors rise because of v2", LOCK)
    assert sentence.service() == "shop"
    assert sentence.environment() == "production"
    assert sentence.because(STAYS) == "errors rise because of v2"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("because errors rise", "errors rise"),
        ("because: errors rise", "errors rise"),
        ('because "errors rise"', "errors rise"),
        ("because \u201cerrors rise\u201d", "errors rise"),
        ('because "errors" rise', '"errors" rise'),
        ('because errors "rise"', 'errors "rise"'),
        ("because errors   rise.", "errors rise."),
        ('because " errors rise "', "errors rise"),
        ("because <@U1|ana> asked", "@ana asked"),
        ("because <@U1> asked", "@U1 asked"),
        ("because <#C1|general> asked", "#general asked"),
        ("because <#C1> asked", "#C1 asked"),
        ("because <!subteam^S1|@team> asked", "@team asked"),
        ("because <!subteam^S1> asked", "@S1 asked"),
        ("because <!here> asked", "@here asked"),
        ("because a &lt; b &amp;&amp; c", "a < b && c"),
    ],
)
def test_a_reason_is_what_was_said_without_slacks_marks(written: str, reason: str) -> None:
    assert said(written).reason == reason


@pytest.mark.parametrize("text", ["because", "shop because", "shop because ''", "because : "])
def test_a_because_without_a_reason_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match='The reason after "because" is missing'):
        Sentence.read(text)


def test_a_reason_of_one_quotation_mark_is_that_mark() -> None:
    assert said("because '").reason == "'"


REASONS = st.one_of(
    st.text(min_size=1, max_size=60),
    st.text(f"{QUOTES}:<>&;|@#! ab", min_size=1, max_size=12),
    st.sampled_from(["<@U1>", "&lt;", "&amp;amp;", ":x", '"', '""', "because", "<https://a.io|b>"]),
)


@given(REASONS)
def test_a_reason_that_is_written_is_read_back_as_itself(text: str) -> None:
    reason = " ".join(text.split())
    assume(reason)
    try:
        check_reason(reason)
    except NotUnderstood:
        return
    sentence = said(f"shop production {because(reason)}", LOCK)
    assert sentence.locked_place() == ("shop", "production")
    assert sentence.because(STAYS) == reason


def test_without_a_reason_nothing_is_written() -> None:
    assert because("") == ""


@settings(max_examples=50)
@given(NAMES, st.sampled_from(["", "v1.2.0", "Latest", "PREVIOUS", "main"]), NAMES)
def test_a_route_is_read_with_and_without_a_version_after_each_preposition(
    service: str, ref: str, environment: str
) -> None:
    for preposition in ("to", "in", "on", "TO"):
        written = f"{service.upper()} {ref} {preposition} {environment.title()}"
        route = said(written, LOCK).route()
        kept = ref.lower() if ref in {"Latest", "PREVIOUS"} else ref or "latest"
        assert route == (service, environment, kept)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The service is missing. Write /deploy lock "),
        ("shop", "To which environment? Write /deploy lock "),
        ("shop v1", "To which environment?"),
        ("shop to", "The environment is missing."),
        ("shop v1 production", 'I did not expect "production" here.'),
        ("shop to all", '"all" cannot be an environment.'),
        ("to v1 to production", '"to" cannot be a service.'),
        ("sh/op v1 to production", '"sh/op" cannot be a service. Names hold letters, digits'),
        ("shop -v1 to production", '"-v1" cannot be a tag, branch or commit here.'),
        ("shop with to production", '"with" cannot be a tag, branch or commit here.'),
    ],
)
def test_a_route_that_cannot_be_read_says_what_is_the_matter(text: str, says: str) -> None:
    assert says in refusal(text, "route")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("all production", ("", "production")), ("ALL in production", ("", "production")),
        ("shop production", ("shop", "production")), ("shop on staging", ("shop", "staging")),
    ],
)  # fmt: skip
def test_what_is_locked_is_one_service_or_all(text: str, place: tuple[str, str]) -> None:
    assert said(text, LOCK).locked_place() == place


@pytest.mark.parametrize("text", ["shop-1", "Shop-42", "my-shop_2.x-999999999", "a-0"])
def test_a_deployment_is_named_by_its_service_and_number(text: str) -> None:
    assert said(text).deployment() == text.lower()


@pytest.mark.parametrize(
    "text", ["shop", "shop-", "42", "-42", "shop-1234567890", "shop-4x", "a b"]
)
def test_what_is_no_deployments_id_is_refused_with_where_they_are_listed(text: str) -> None:
    says = refusal(text, "deployment")
    assert (
        f'"{text.split(maxsplit=1)[0]}" is no deployment\'s id; they look like storefront-42.'
        in says
    )
    assert "/deploy status lists what runs." in says


@pytest.mark.parametrize(
    ("text", "user"),
    [("<@U1A>", "U1A"), ("<@W9|ana>", "W9"), ("<@U1|ana b.>", "U1"), ('"<@U1>".', "U1")],
)
def test_a_person_is_whoever_is_mentioned(text: str, user: str) -> None:
    assert said(text).person() == user


@pytest.mark.parametrize("text", ["@ana", "ana", "U1", "<@u1>", "<@B1>", "<#C1>", "<!here>"])
def test_who_is_not_mentioned_is_nobody(text: str) -> None:
    says = refusal(text, "person")
    assert f'I cannot tell who "{text}" is. Type @ and pick the person' in says


def test_words_are_looked_at_before_they_are_taken_and_taken_once() -> None:
    sentence = said("Shop TO production")
    assert sentence.peek() == "shop"
    assert not sentence.accept("to", "in")
    assert sentence.second_is_to()
    assert sentence.take() == "Shop"
    assert not sentence.second_is_to()
    assert sentence.has_preposition()
    assert sentence.accept("in", "to")
    assert sentence.take("The environment") == "production"
    assert sentence.peek() == ""
    with pytest.raises(NotUnderstood, match="/deploy help lists all commands"):
        sentence.take()


@pytest.mark.parametrize(
    ("text", "usage", "says"),
    [
        ("more", LOCK, f'I did not expect "more" here. Write {LOCK.syntax}.'),
        ("more", None, f'I did not expect "more" here. {LIST}'),
        ("because x", STATUS, f"status takes no reason. Write {STATUS.syntax}."),
        ("because x", LOCK, ""),
        ("because x", None, ""),
        ("", STATUS, ""),
    ],
)
def test_what_is_left_over_is_refused_and_a_reason_where_none_is_taken(
    text: str, usage: Usage | None, says: str
) -> None:
    if says:
        assert refusal(text, "nothing_more", usage=usage) == says
    else:
        said(text, usage).nothing_more()


def test_a_command_that_stays_for_ever_is_refused_without_a_reason_and_with_words_left_over() -> (
    None
):
    assert refusal("shop v1", "version_of") == f"{STAYS} Write {LOCK.syntax}."
    assert 'I did not expect "more" here.' in refusal("shop v1 more because x", "version_of")
    sentence = said("shop v1 because it leaks", LOCK)
    assert sentence.version_of() == ("shop", "v1", "it leaks")


def test_a_text_has_three_thousand_signs_at_most() -> None:
    assert words("x".ljust(LONGEST_TEXT)) == ["x"]
    with pytest.raises(NotUnderstood, match="longer than 3,000 characters"):
        Sentence.read("x".ljust(LONGEST_TEXT + 1))


@pytest.mark.parametrize("word", sorted(RESERVED_NAMES))
def test_a_word_that_sentences_are_built_with_names_nothing_of_ours(word: str) -> None:
    for what in ("a service", "an environment"):
        with pytest.raises(NotUnderstood, match=f'"{word}" cannot be {what}'):
            read_name(word, what)
    assert read_name("Lead", "a service") == "lead"


@pytest.mark.parametrize(
    ("usage", "slash", "verb", "takes_reason"),
    [
        (LOCK, "deploy", "lock", True),
        (STATUS, "deploy", "status", False),
        (ROLLBACK, "rollback", "rollback", True),
        (Usage("/deploy SERVICE to ENVIRONMENT", "Deploy it.", ()), "deploy", "deploy", False),
    ],
)
def test_a_command_is_called_by_its_word_or_else_by_its_slash(
    usage: Usage, slash: str, verb: str, *, takes_reason: bool
) -> None:
    assert (usage.slash, usage.verb, usage.takes_reason) == (slash, verb, takes_reason)


@settings(max_examples=50)
@given(st.text(max_size=20), st.sets(st.sampled_from(sorted(NOT_YET)), max_size=5))
def test_what_was_meant_is_always_a_word_that_is_known(typed: str, known: set[str]) -> None:
    assert set(nearest(typed, known)) <= known
    assert all(nearest(word.upper(), known)[:1] == (word,) for word in known)
