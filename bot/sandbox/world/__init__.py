"""The demo's world: a repository with three versions, two environments that really run them,
and customers who use them.
"""

from bot.sandbox.world.scene import World

__all__ = ["World"]
