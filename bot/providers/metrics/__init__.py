"""Metrics sources, one module each. ``scrape`` reads the services' own Prometheus endpoints."""
