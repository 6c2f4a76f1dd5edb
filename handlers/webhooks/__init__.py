"""Signed notices from CI: they wake, polling decides."""
