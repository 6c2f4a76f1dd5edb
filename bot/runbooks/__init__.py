"""The durable procedures, each reading like the page a team would print."""
