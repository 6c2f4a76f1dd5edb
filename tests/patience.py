"""How long a test waits for what must come. Only what does not come takes so long: no test
says that anything is quick.
"""

PATIENCE = 100.0
"""Seconds."""
