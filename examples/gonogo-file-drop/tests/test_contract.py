"""The contract that every CI provider keeps; the fixture ``lab`` says for which."""

from bot.testing.ci_contract import *  # noqa: F403 - pytest collects what a module holds
