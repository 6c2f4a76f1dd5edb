"""A strict Slack workspace on this machine: it refuses what Slack refuses and talks to
the bot only as Slack does.
"""

from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.state import Channel, User

__all__ = ["Channel", "User", "Workspace"]
