"""A custom deployment protection rule: the approvals that were given in Slack become the
ones that GitHub enforces.

https://docs.github.com/rest/actions/workflow-runs, "Review custom deployment protection rules for
a workflow run". Our approvals are given before a start. So a run that waits asks back where it
became of a start of ours for that very environment, and the rollout lets it go on while it may;
whatever else waits is left to a person. To look opens nothing. Reviewers and timers of GitHub's
own are not touched by this.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from bot.domain.errors import IntegrationError
from bot.ports.ci import GateAnswer, StartRequest
from bot.providers.ci.gates import Gates
from bot.providers.ci.github import reading
from bot.providers.ci.github.client import Repository, entries, escaped
from bot.providers.ci.github.identity import App
from bot.providers.ci.starts import Starts
from bot.providers.exchange import RestError

REMEMBERED = 256
_WORDS = 12
"""How many words of a run's title are looked up."""


class Gate(NamedTuple):
    """What a waiting run waits for, and whether a person can let it go on from here."""

    sentence: str = ""
    passable: bool = False
    asks_back: bool = False
    """It waits for the approval that was given before its start."""


class Protection:
    """The protection rule of one repository. ``on`` is the option ``protection``;
    without it gates are only read.
    """

    def __init__(self, repository: Repository, starts: Starts, *, on: bool) -> None:
        self._repository = repository
        self._starts = starts
        self._on = on
        self._seen = Gates()
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        """By run and environment: "" for an approval that GitHub has taken, else why it has not."""

    async def meet(self, run: Mapping[str, Any]) -> Gate:
        """Look what a run waits for. Nothing is approved."""
        try:
            with reading.understood():
                pending = await self._pending(str(run["id"]))
        except IntegrationError:  # only the words get poorer
            return Gate()
        for each in pending:
            self._seen.waits(str(run["id"]), environment(each))
        if not self._on:
            return Gate(reading.gate(pending))
        return self._gate(str(run["id"]), pending, await self._start_of(run))

    async def open(self, run: Mapping[str, Any], wanted: str, seen: str) -> GateAnswer:
        """Approve one environment that a run waits for: a person said so, here or before the start.

        Raises IntegrationError where that is not ours.
        """
        number, pending = str(run["id"]), await self._pending(str(run["id"]))
        found = next((each for each in pending if _is_same(environment(each), wanted)), None)
        if found is None:
            return self.past(number, wanted)
        name = environment(found)
        if self._on and name in self._unanswered(number, pending):
            request = await self._start_of(run)
            is_for = request is not None and _is_same(name, request.environment)
            await self._approve(
                number,
                name,
                comment(
                    request, "approved in Slack before the start" if is_for else "opened in Slack"
                ),
            )
            return GateAnswer.OPENED
        if self._answers.get((number, name)) == "" and not _has_more(found):
            # GitHub is a moment behind
            return GateAnswer.WAS_OPEN
        sentence = f"GitHub keeps this gate itself: {seen}."
        raise IntegrationError(sentence, vendor="GitHub", status=HTTPStatus.FORBIDDEN, retry=False)

    def past(self, run: str, wanted: str) -> GateAnswer:
        """Say of a run that does not wait for an environment now whether it has."""
        return self._seen.past(run, wanted)

    async def _pending(self, run: str) -> list[Any]:
        found = (await self._repository.get(f"/actions/runs/{run}/pending_deployments")).data
        if not isinstance(found, list):
            raise TypeError(type(found))
        return found

    async def _approve(self, run: str, environment: str, words: str) -> None:
        """Answer GitHub. The address is made of the configured repository and the run's
        number, never of a payload.
        """
        body = {"environment_name": environment, "state": "approved", "comment": words}
        try:
            await self._repository.send(
                "POST", f"/actions/runs/{run}/deployment_protection_rule", body, repeatable=True
            )
        except IntegrationError as error:
            if not error.retry:
                self._remember(run, environment, str(error).rstrip("."))
            raise
        self._remember(run, environment, "")

    async def _start_of(self, run: Mapping[str, Any]) -> StartRequest | None:
        """Find the start of ours that a run became: its title claims one, and
        what is stored has to agree.
        """
        for word in reading.words(run)[:_WORDS]:
            attempt = await self._starts.of(word)
            if attempt.run == str(run["id"]):
                return attempt.request
        return None

    def _unanswered(self, run: str, pending: Iterable[Mapping[str, Any]]) -> list[str]:
        """Name the environments that our approval may be missing for: not where GitHub refused it
        and waits for something else.
        """
        named = {environment(each): _has_more(each) for each in pending}
        answers = {name: self._answers.get((run, name)) for name in named}
        return [
            name
            for name, answer in answers.items()
            if name and (answer is None or (answer and not named[name]))
        ]

    def _gate(
        self, run: str, pending: Sequence[Mapping[str, Any]], request: StartRequest | None
    ) -> Gate:
        said, waiting = [reading.gate(pending)], self._unanswered(run, pending)
        said += [
            f"GitHub does not take the approval from Slack ({why})"
            for name in waiting
            if (why := self._answers.get((run, name)))
        ]
        if any(self._answers.get((run, environment(each))) == "" for each in pending):
            said.append("the approval from Slack has been given to GitHub")
        ours = [name for name in waiting if request is None or _is_same(name, request.environment)]
        asks_back = any(request and (run, name) not in self._answers for name in ours)
        return Gate(
            "; ".join(filter(None, said)),
            passable=len(ours) == 1 and not asks_back,
            asks_back=asks_back,
        )

    def _remember(self, run: str, environment: str, why: str) -> None:
        self._answers[run, environment] = why
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)


class ProtectionCheck:
    """Where GitHub asks the bot's App: reads only, for ``gonogo doctor``. ``environments``
    are those of gonogo.yaml.
    """

    def __init__(self, repository: Repository, app: App, environments: Sequence[str]) -> None:
        self._repository = repository
        self._app = app
        self.environments = tuple(environments)

    async def missing(self) -> dict[str, str]:
        """Name the environments whose jobs do not wait for the App, and
        say why. Raises RestError.
        """
        found = {name: await self._why_not(name) for name in self.environments}
        return {name: why for name, why in found.items() if why}

    async def _why_not(self, name: str) -> str:
        """https://docs.github.com/rest/deployments/protection-rules, "Get all deployment protection
        rules for an environment".
        """
        try:
            reply = await self._repository.get(
                f"/environments/{escaped(name)}/deployment_protection_rules"
            )
        except RestError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return "GitHub knows no such environment"
        rules = entries(reply, "custom_deployment_protection_rules")
        is_on = any(rule["enabled"] and rule["app"]["slug"] == self._app.slug for rule in rules)
        return "" if is_on else "the App is not switched on"


def environment(pending: Mapping[str, Any]) -> str:
    """Name the environment that a run waits for; "" where GitHub does not say."""
    return str((pending.get("environment") or {}).get("name") or "")


def _is_same(one: str, other: str) -> bool:
    """Compare two environments' names, which have no case at GitHub."""
    return one.casefold() == other.casefold()


def _has_more(pending: Mapping[str, Any]) -> bool:
    """Tell whether an environment waits for reviewers or a timer of GitHub's own too."""
    return bool(pending.get("reviewers") or pending.get("wait_timer"))


def comment(request: StartRequest | None, what: str) -> str:
    """Say at GitHub which deployment this is."""
    if request is None:
        return f"Go/No-Go: {what}"
    return f"Go/No-Go {request.inputs.get('deployment') or request.correlation}: {what}"
