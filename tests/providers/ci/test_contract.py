"""The shared contract suite, for each of our own CI providers: the fixture
``lab`` gives them in turn.
"""

from bot.testing.ci_contract import *  # noqa: F403 - pytest collects what a module holds; a class that is added is taken here as well
