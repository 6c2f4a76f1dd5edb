"""The workspace's page: one HTML file, its style and its modules, served from the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC = {"style.css": "text/css"} | dict.fromkeys(
    ("app.js", "blocks.js", "dialogs.js", "redraw.js"), "text/javascript"
)
POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'"
)


def page_routes(guide: Mapping[str, Any]) -> list[web.RouteDef]:
    """Give the routes of the page. ``guide`` has a title, an intro and steps with title,
    text, act_as and command.
    """
    environment = Environment(
        loader=PackageLoader("templates", "sandbox"), autoescape=True, undefined=StrictUndefined
    )

    async def index(_request: web.Request) -> web.Response:
        written = json.dumps(guide, ensure_ascii=False).replace("<", "\\u003c")
        html = environment.get_template("index.html.j2").render(guide=written)
        return web.Response(
            text=html,
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"},
        )

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound
        text = (files("templates") / "sandbox" / name).read_text(encoding="utf-8")
        return web.Response(
            text=text, content_type=STATIC[name], headers={"Cache-Control": "no-store"}
        )

    return [web.get("/", index), web.get("/static/{name}", static)]
