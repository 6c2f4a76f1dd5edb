"""What is made of the verbs' declarations: whoever adds one touches none of these tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bot.domain.actions import Action
from bot.domain.commands import Command, Commands
from bot.domain.usage import Usage
from bot.verbs import Button, Haste, ListButton, May, ReasonButton, Typed, UseCase, Verb, every

VERBS: Mapping[type[Command], Verb[Any]] = MappingProxyType(
    {verb.command: verb for verb in every()}
)
"""Every verb by its command."""
COMMANDS: Commands = {verb.name: kind for kind, verb in VERBS.items()}
"""Every command by its verb, for the inbox."""
USE_CASES: Mapping[type[Command], UseCase[Any]] = {kind: verb.do for kind, verb in VERBS.items()}
"""Who carries out what."""
TYPED: Mapping[str, Typed[Any]] = {verb.name: verb.typed for verb in every() if verb.typed}
"""Every command that can be typed, in the order of the help."""
USAGE: Mapping[str, Usage] = {name: typed.usage for name, typed in TYPED.items()}
"""How each of them is written."""

QUESTIONS = tuple(kind for kind, verb in VERBS.items() if verb.haste is Haste.ASKS)
STOPS = tuple(kind for kind, verb in VERBS.items() if verb.haste is Haste.STOPS)
STOPPING = (*STOPS, *(kind for kind, verb in VERBS.items() if verb.haste is Haste.HELPS_TO_STOP))
"""Commands that stop something, or that somebody needs in order to stop it."""
TAKES_BACK: Mapping[type[Command], type[Command]] = {
    kind: verb.takes_back for kind, verb in VERBS.items() if verb.takes_back
}
"""What takes back which of them."""
WITH_REASON = tuple(
    kind for kind, verb in VERBS.items() if verb.typed and verb.typed.usage.takes_reason
)
"""Typed commands that say why: many will read it."""

AT_ONCE: Mapping[Action, Callable[[str, str], Command]] = {
    verb.button.action: verb.button.press for verb in every() if isinstance(verb.button, Button)
}
"""Buttons that mean a command by themselves."""
ASKING_WHY: Mapping[Action, Callable[[str, str, str], Command]] = {
    verb.button.action: verb.button.answered
    for verb in every()
    if isinstance(verb.button, ReasonButton)
}
"""Buttons whose dialog asks why, and the command that it ends in."""
MAY_ASK_WHY: Mapping[Action, May] = {
    verb.button.action: verb.button.may for verb in every() if isinstance(verb.button, ReasonButton)
}
"""What is asked before such a dialog opens."""
CHOOSING: Mapping[Action, Callable[[str, tuple[str, ...], tuple[str, ...], str], Command]] = {
    verb.button.action: verb.button.chosen
    for verb in every()
    if isinstance(verb.button, ListButton)
}
"""Buttons whose dialog offers a person's own items."""
AS_TYPED = frozenset({Action.RUN_CORRECTED})
"""Buttons that carry a line as it is typed."""
SHOWS = frozenset({Action.SHOW_CHANGES, Action.SHOW_TIMELINE})
"""Buttons that only show something; who may see it is asked before it is shown."""
