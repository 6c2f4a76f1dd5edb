"""Words (Jinja2). Slack, reports, web, sandbox."""
