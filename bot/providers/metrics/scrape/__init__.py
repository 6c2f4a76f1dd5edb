"""The services' own Prometheus endpoints: read regularly, and kept in the database.

``reading`` and ``selector`` know the exposition format, ``growth`` what counters say over a
window; neither does I/O.
"""

from bot.providers.metrics.scrape.kind import KIND

__all__ = ["KIND"]
