from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dispatch.tables import USAGE
from bot.dispatch.typed import OpenForm, parse_deploy, parse_rollback, words
from bot.domain.commands import (
    COMMANDS,
    Cancel,
    Check,
    Command,
    Deploy,
    HandOver,
    Help,
    History,
    Lock,
    Locks,
    Quarantine,
    Retest,
    RollBack,
    SayLive,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.errors import NotPossible, NotUnderstood, Refusal
from bot.domain.usage import NOT_YET
from bot.domain.validation import KEYWORDS, RESERVED_NAMES, shown

READ = {
    "storefront v1.2.0 to production": Deploy("storefront", "production", "v1.2.0"),
    "storefront to staging": Deploy("storefront", "staging"),
    "  storefront   v1.2.0\tto\nproduction ": Deploy("storefront", "production", "v1.2.0"),
    "Storefront v1.2.0-RC1 TO Production": Deploy("storefront", "production", "v1.2.0-RC1"),
    "storefront v1.2.0 in production": Deploy("storefront", "production", "v1.2.0"),
    "storefront v1.2.0 on production.": Deploy("storefront", "production", "v1.2.0"),
    "“storefront” \u2018v1.2.0\u2019 to production!": Deploy("storefront", "production", "v1.2.0"),
    "storefront LATEST to production": Deploy("storefront", "production", "latest"),
    "payload-api feature/checkout-2 to staging": Deploy(
        "payload-api", "staging", "feature/checkout-2"
    ),
    "storefront payload={} to staging": None,
    (
        "storefront v1 to production with rolling lead <@U12AB|bo smith> because it's "
        "<@U9|ana>'s fix &amp; more"
    ): Deploy("storefront", "production", "v1", "rolling", "U12AB", "it's @ana's fix & more"),
    "storefront v1 to production lead <@W1> with canary": Deploy(
        "storefront", "production", "v1", "canary", "W1"
    ),
    "storefront v1 to production because “hot fix”": Deploy(
        "storefront", "production", "v1", reason="hot fix"
    ),
    "storefront v1 to production because we call it “hot fix”": Deploy(
        "storefront", "production", "v1", reason="we call it “hot fix”"
    ),
    "storefront v1 to production because 'hot' it is": Deploy(
        "storefront", "production", "v1", reason="'hot' it is"
    ),
    "storefront v1 to production because x": Deploy("storefront", "production", "v1", reason="x"),
    "storefront “” v1 to production": Deploy("storefront", "production", "v1"),
    "storefront “” v1 to production because x “” y": Deploy(
        "storefront", "production", "v1", reason="x “” y"
    ),
    "storefront <http://v1.io|> v1 to production": Deploy("storefront", "production", "v1"),
    "storefront <http://v1.io> to production": None,
    "storefront v1 to production because: a because b to staging": Deploy(
        "storefront", "production", "v1", reason="a because b to staging"
    ),
    "<http://storefront.io|storefront.io> v1 to production": Deploy(
        "storefront.io", "production", "v1"
    ),
    "status to production": Deploy("status", "production"),
    "deploy status v1 to production": Deploy("status", "production", "v1"),
    "deploy to production": Deploy("deploy", "production"),
    "deploy storefront v1 to production": Deploy("storefront", "production", "v1"),
    "freeze to staging": Deploy("freeze", "staging"),
    "check storefront v1.2.0 to production": Check("storefront", "production", "v1.2.0"),
    "CHECK storefront in production": Check("storefront", "production"),
    "status": Status(),
    "status storefront": Status("storefront"),
    "status storefront?": Status("storefront"),
    "history storefront": History("storefront"),
    "history storefront production": History("storefront", "production"),
    "history storefront in production": History("storefront", "production"),
    "cancel Storefront-42": Cancel("storefront-42"),
    "lock storefront production because it burns": Lock("storefront", "production", "it burns"),
    "lock storefront in production for 2h because it burns": Lock(
        "storefront", "production", "it burns", 7200
    ),
    "lock all production for 1h 30m because it burns": Lock("", "production", "it burns", 5400),
    "lock ALL on production for 1d because it burns": Lock("", "production", "it burns", 86400),
    "unlock storefront production": Unlock("storefront", "production"),
    "unlock all in production.": Unlock("", "production"),
    "locks": Locks(),
    "lead storefront-42 <@U12AB|bo>": HandOver("storefront-42", "U12AB"),
    "lead storefront-42 to <@U12AB>": HandOver("storefront-42", "U12AB"),
    "lead to staging": Deploy("lead", "staging"),
    "help": Help(),
    "help lock": Help("lock"),
    "help /rollback": Help("rollback"),
    "rollback storefront production because it burns": RollBack(
        "storefront", "production", "", "it burns"
    ),
    "": OpenForm(),
    "   ": OpenForm(),
}

REFUSED = {
    "stauts": 'I don\'t know the command "stauts". Did you mean status? /deploy help lists all.',
    "canel storefront-42": "Did you mean cancel?",
    "chekc storefront v1.2.0 to production": (
        'I don\'t know the command "chekc". Did you mean check?'
    ),
    "lock storefront production becuase it burns": (
        'I did not expect "becuase" here. Did you mean because?'
    ),
    "storefront v1.2.0 too production": 'I did not expect "too" here. Did you mean to?',
    "storefront v1 to production wiht rolling": 'I did not expect "wiht" here. Did you mean with?',
    "undo": 'I don\'t know the command "undo". Did you mean rollback?',
    "storefront": "To deploy a service, write /deploy SERVICE [REF] to ENVIRONMENT",
    "storefront v1.2.0": "To which environment?",
    "check storefront v1.2.0": "To which environment? Write /deploy check",
    "storefront v1.2.0 to": "The environment is missing.",
    "storefront v1 v2 to production": 'I did not expect "v2" here.',
    "storefront v1 to production hotfix": 'I did not expect "hotfix" here.',
    "storefront v1 to production with rolling with canary": 'I did not expect "with" here.',
    "storefront v1 to production because": 'The reason after "because" is missing.',
    "storefront v1 to production because  “ ”": 'The reason after "because" is missing.',
    "storefront v1 to production because “”": 'The reason after "because" is missing.',
    "storefront v1 to production lead @bo": 'I cannot tell who "@bo" is.',
    "storefront v1 to production lead": "The person is missing.",
    "storefront v1 to to": '"to" cannot be an environment.',
    "storefront with to production": '"with" cannot be a tag',
    "status in production": '"in" cannot be a service.',
    "status storefront production": 'I did not expect "production" here.',
    "status because I say so": "status takes no reason.",
    "locks storefront": 'I did not expect "storefront" here.',
    "cancel 42": '"42" is no deployment\'s id',
    "cancel": "The deployment's id is missing.",
    "retest": "The deployment's id is missing.",
    "lock storefront production": "A lock needs a reason",
    "lock storefront to production": "A lock needs a reason",
    "lock storefront production 2h because x": 'I did not expect "2h" here.',
    "lock storefront production for ever because x": '"ever" is no duration.',
    "lock storefront production for 0m because x": "A duration is between 1m and 90d.",
    "lock storefront production for 999999d because x": "A duration is between 1m and 90d.",
    "lock because x": "The service is missing.",
    "lead storefront-42 bo": 'I cannot tell who "bo" is.',
    "help stauts": "Did you mean status?",
    "store/front v1 to production": '"store/front" cannot be a service.',
    "storefront v1 to prod;uction": '"prod;uction" cannot be an environment.',
}

UNSAFE_REFS = (
    "feature/$(curl\u00a0x)", 'zzz";echo${IFS}"hello";#',
    "--upload-pack=x", "-rf", "a..b", "@{0}", "a\x00b", "a//b", "a/.b",
    "a.lock", "a.lock/b", "a/-b", "main\u202egnp", "ma\u200bin",
    "m\u0430in", "v1~1", "v1^", "a:b", "a\\b", "refs/heads/*",
    "a&amp;b", "&lt;b&gt;", "v" * 201, "/a", "a/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "command"), [(text, command) for text, command in READ.items() if command is not None]
)
def test_the_words_make_the_command(text: str, command: Command) -> None:
    assert parse_deploy(text) == command


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items())
def test_words_that_make_no_command_are_refused_with_the_next_step(
    text: str, sentence: str
) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        parse_deploy(text)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("ref", UNSAFE_REFS)
def test_an_unsafe_ref_is_refused_and_shown_without_tricks(ref: str) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        parse_deploy(f"storefront {ref} to production")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("verb", sorted(NOT_YET))
def test_a_command_that_is_planned_says_that_it_is_not_there_yet(verb: str) -> None:
    for text in (verb, f"{verb} storefront", f"help {verb}"):
        with pytest.raises(NotPossible, match=f"/deploy {verb} is not available yet"):
            parse_deploy(text)


def test_deploying_later_is_refused_rather_than_done_now() -> None:
    with pytest.raises(NotPossible, match="at a later time is not available yet"):
        parse_deploy("storefront v1 to production at 18:00")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "storefront production because it burns",
            RollBack("storefront", "production", "", "it burns"),
        ),
        (
            "storefront in production to v1.0.0 because it burns",
            RollBack("storefront", "production", "v1.0.0", "it burns"),
        ),
        ("storefront because it burns", RollBack("storefront", "", "", "it burns")),
        (
            "Storefront  PRODUCTION because `it` burns",
            RollBack("storefront", "production", "", "`it` burns"),
        ),
        ("help", Help("rollback")),
    ],
)
def test_a_rollback_is_read(text: str, command: Command) -> None:
    assert parse_rollback(text) == command


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The service is missing. Write /rollback SERVICE"),
        ("storefront production", "A rollback needs a reason"),
        ("storefront production v1 because x", 'I did not expect "v1" here.'),
        ("storefront production to -x because x", '"-x" cannot be a tag'),
        ("storefront production to because x", "The version is missing."),
    ],
)
def test_a_rollback_without_service_or_reason_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        parse_rollback(text)
    assert sentence in str(refusal.value)


def test_ten_thousand_characters_are_refused_shortly() -> None:
    for text in (
        "x" * 10_000,
        f"storefront v1 to production because {'x' * 600}",
        f"{'x' * 2000} to production",
    ):
        with pytest.raises(NotUnderstood) as refusal:
            parse_deploy(text)
        assert len(str(refusal.value)) < 300


def test_three_thousand_characters_are_read_and_not_one_more() -> None:
    assert parse_deploy("status".ljust(3000)) == Status()
    with pytest.raises(NotUnderstood, match="longer than 3,000 characters"):
        parse_deploy("status".ljust(3001))


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\u202e", "\u2066", "\ud800"])
def test_invisible_characters_in_a_reason_are_refused(sign: str) -> None:
    with pytest.raises(NotUnderstood, match="invisible character"):
        parse_deploy(f"storefront v1 to production because a{sign}b")


def test_a_reason_keeps_its_words_and_loses_slacks_marks() -> None:
    said = parse_deploy(
        "a to b because <!channel> <!subteam^S1|@team> <#C1|general> <https://x.io/a|the page> "
        "<https://x.io> 👩‍🔧 {{ 7*7 }} &lt;b&gt;"
    )
    assert isinstance(said, Deploy)
    assert said.reason == "@channel @team #general the page https://x.io 👩‍🔧 {{ 7*7 }} <b>"


MEANT = (
    "undo rollback, revert rollback, back rollback, abort cancel, stop cancel, ship deploy, "
    "release deploy, promote deploy, ls status, "
    "list status, log history, who lead, owner lead, gates check, ready check, commands help"
)


@pytest.mark.parametrize(("word", "meant"), [pair.split() for pair in MEANT.split(", ")])
def test_what_other_tools_call_our_commands_is_understood(word: str, meant: str) -> None:
    with pytest.raises(NotUnderstood, match=rf"Did you mean {meant}\?"):
        parse_deploy(f"{word} storefront-42")


def test_these_can_be_typed_and_a_deployment_has_an_example_with_a_tag_with_none_and_with_a_strategy() -> (
    None
):
    typed = (
        "cancel check deploy help history lead live lock locks quarantine retest rollback "
        "status unlock unquarantine"
    )
    assert sorted(frozenset(USAGE)) == sorted(USAGE) == typed.split()
    read = [parse_deploy(example.removeprefix("/deploy ")) for example in USAGE["deploy"].examples]
    assert [(each.ref, each.strategy) for each in read if isinstance(each, Deploy)] == [
        ("v1.2.0", ""),
        ("latest", ""),
        ("latest", "rolling"),
    ]
    assert all(usage.examples for usage in USAGE.values())


def test_every_typed_command_has_a_usage_whose_examples_can_be_read() -> None:
    for verb, usage in USAGE.items():
        assert COMMANDS[verb].verb == verb
        for example in usage.examples:
            slash, _, text = example.partition(" ")
            read = parse_rollback if slash == "/rollback" else parse_deploy
            assert read(text.replace("@bo", "<@U0BO>")).verb == verb


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda name: name not in RESERVED_NAMES and name[-1] not in "._-"
)
some_names = st.one_of(names, st.sampled_from(sorted((frozenset(USAGE) | NOT_YET) - KEYWORDS)))
refs = st.one_of(
    st.sampled_from(["latest", "previous", "feature/a-b", "v1.2.0+build", "pkg@1.0"]),
    st.from_regex(r"[A-Za-z0-9]{1,30}", fullmatch=True).filter(
        lambda ref: ref.lower() not in KEYWORDS | {"latest", "previous"}
    ),
)
ids = st.builds(lambda name, number: f"{name}-{number}", names, st.integers(0, 10**6))
users = st.from_regex(r"[UW][A-Z0-9]{1,10}", fullmatch=True)
_texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), max_size=80)
reasons = _texts.map(lambda text: " ".join(text.split())).filter(bool)
typed = st.one_of(
    st.builds(
        Deploy,
        some_names,
        names,
        refs,
        st.one_of(st.just(""), names),
        st.one_of(st.just(""), users),
        st.one_of(st.just(""), reasons),
    ),
    st.builds(Check, names, names, refs),
    st.builds(Status, st.one_of(st.just(""), names)),
    st.builds(History, names, st.one_of(st.just(""), names)),
    st.builds(Cancel, ids),
    st.builds(
        Lock,
        st.one_of(st.just(""), names),
        names,
        reasons,
        st.integers(0, 129_600).map(lambda minutes: minutes * 60),
    ),
    st.builds(Unlock, st.one_of(st.just(""), names), names),
    st.just(Locks()),
    st.builds(HandOver, ids, users),
    st.builds(Retest, ids),
    st.builds(Quarantine, names, refs, reasons),
    st.builds(Unquarantine, names, refs, reasons),
    st.builds(SayLive, names, names, refs, reasons),
    st.builds(Help, st.one_of(st.just(""), st.sampled_from(sorted(frozenset(USAGE))))),
)


@given(typed)
def test_every_command_reads_back_as_it_was_written(command: Command) -> None:
    assert parse_deploy(words(command)) == command


@given(
    st.builds(RollBack, names, st.one_of(st.just(""), names), st.one_of(st.just(""), refs), reasons)
)
def test_every_rollback_reads_back_as_it_was_written(command: RollBack) -> None:
    assert parse_rollback(words(command)) == command
    if command.environment:
        assert parse_deploy(f"rollback {words(command)}") == replace(command)


_pieces = st.sampled_from(
    [
        *sorted(frozenset(USAGE) | NOT_YET | KEYWORDS),
        "<@U1|a b>",
        "<",
        ">",
        "storefront",
        "v1",
        "“",
        "2h",
        "-x",
        "&amp;",
        "storefront-42",
    ]
)


@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(st.one_of(_pieces, st.text(max_size=5)), max_size=12).map(" ".join),
    )
)
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    for parse in (parse_deploy, parse_rollback):
        try:
            assert isinstance(parse(text), Command)
        except Refusal as refusal:
            sentence = str(refusal)
            assert sentence.isprintable()
            assert len(sentence) < 400


@pytest.mark.parametrize(
    "text",
    ["quarantine storefront v1", "unquarantine storefront v1", "live storefront production is v1"],
)
def test_what_stays_for_ever_needs_a_reason(text: str) -> None:
    with pytest.raises(NotUnderstood, match="That needs a reason, which stays for ever"):
        parse_deploy(text)


def test_what_is_planned_and_not_there_yet_is_known_by_name() -> None:
    planned = "diff dora flags freeze freezes hold oncall passport queue resume thaw train window"
    assert sorted(NOT_YET) == planned.split()


@pytest.mark.parametrize(
    ("reason", "written"),
    [
        ("errors rise", "because errors rise"),
        (": a", 'because ": a"'),
        ("'a' & <b>", "because \"'a' &amp; &lt;b&gt;\""),
    ],
)
def test_a_reason_is_written_in_quotes_only_where_it_would_be_read_otherwise(
    reason: str, written: str
) -> None:
    assert words(Deploy("storefront", "production", "v1", reason=reason)).endswith(written)


@pytest.mark.parametrize("word", ["to", "in", "on", "with", "lead", "at", "for", "because", "all"])
def test_a_word_that_a_sentence_is_built_with_names_no_version_and_but_for_lead_no_environment(
    word: str,
) -> None:
    assert (word in KEYWORDS) == (word != "all")
    assert (word in RESERVED_NAMES) == (word != "lead")
    assert len(KEYWORDS | RESERVED_NAMES) == 9


def test_a_foreign_word_is_shown_up_to_forty_signs() -> None:
    assert shown("x" * 40) == "x" * 40
    assert shown("x" * 41) == "x" * 40 + "…"
    assert shown("a\u202eb") == "a\\u202eb"


def test_a_service_may_be_called_help_where_a_reason_says_that_it_is_meant() -> None:
    assert parse_rollback("help") == Help("rollback")
    assert parse_rollback("help production because errors rise") == RollBack(
        "help", "production", reason="errors rise"
    )


def test_every_command_can_be_stored_and_read_again() -> None:
    concrete = {
        each.__name__: each
        for each in Command.__subclasses__()
        if each.__name__ != OpenForm.__name__
    }
    assert {each.__name__ for each in COMMANDS.values()} == set(concrete)
    assert all(COMMANDS[each.verb].__name__ == name for name, each in concrete.items())


def test_a_reason_of_five_hundred_characters_is_taken_and_not_one_more() -> None:
    assert parse_deploy(f"lock a b because {'x' * 500}") == Lock("a", "b", "x" * 500)
    with pytest.raises(NotUnderstood, match="A reason may have 500 characters; this one has 501"):
        parse_deploy(f"lock a b because {'x' * 501}")
