"""The outside comes in here: Slack, webhooks, the scheduler, the web. A handler parses,
stores the intent, acks.
"""
