"""The outside world: CI, metrics, on-call; one module per vendor, parsing without
I/O beside a thin client.
"""
