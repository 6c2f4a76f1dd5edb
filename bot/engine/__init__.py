"""Durable execution behind one port: the journal on SQLite and the simulated engine for tests."""
