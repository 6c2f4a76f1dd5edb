"""The doors to the outside: what services and runbooks ask of providers,
storage, the engine and Slack.

Protocols and the plain values that pass through them, a room for each door. Implementations live in
``bot.providers``, ``bot.storage``, ``bot.engine`` and ``bot.slack``, know nothing of each other,
and are wired in ``bot.app``.
"""
