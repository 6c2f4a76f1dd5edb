"""Ask for a deployment."""

from __future__ import annotations

from bot.domain.commands import Deploy
from bot.domain.errors import NotPossible
from bot.domain.sentence import Sentence, because, read_name
from bot.domain.usage import Usage
from bot.services import deployments
from bot.verbs import Haste, Typed, Verb


def read(sentence: Sentence) -> Deploy:
    """Read what is asked for."""
    service, environment, ref = sentence.route()
    strategy = lead = ""
    while sentence.peek():
        if sentence.peek() == "at":
            raise NotPossible(
                "Deploying at a later time is not available yet. Leave out "
                '"at …" to ask for it now.'
            )
        if not strategy and sentence.accept("with"):
            strategy = read_name(sentence.take("The strategy"), "a strategy")
        elif not lead and sentence.accept("lead"):
            lead = sentence.person()
        else:
            sentence.nothing_more()
    return Deploy(service, environment, ref, strategy, lead, sentence.reason)


def write(it: Deploy) -> list[str]:
    """Write what is asked for."""
    lead = f"lead <@{it.lead}>" if it.lead else ""
    strategy = f"with {it.strategy}" if it.strategy else ""
    return [it.service, it.ref, "to", it.environment, strategy, lead, because(it.reason)]


VERB: Verb[Deploy] = Verb(
    Deploy,
    deployments.request,
    Haste.GOES,
    typed=Typed(
        10,
        Usage(
            "/deploy SERVICE [REF] to ENVIRONMENT [with STRATEGY] [lead @user] [because TEXT]",
            (
                "Ask for a deployment. REF is a tag, a branch, a commit, latest (the default) or "
                "previous; it is pinned to one commit."
            ),
            (
                "/deploy storefront v1.2.0 to production",
                "/deploy storefront to staging",
                "/deploy storefront latest to production with rolling",
            ),
        ),
        read=read,
        write=write,
    ),
)
