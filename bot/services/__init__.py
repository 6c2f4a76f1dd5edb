"""Use cases that handlers, runbooks and the terminal call: open a transaction, ask
the domain, store, wake.
"""
