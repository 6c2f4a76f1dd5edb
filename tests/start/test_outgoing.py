"""Whoever is called: the same proxy, the same exceptions, the same certificate authorities."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.domain.errors import ConfigurationError
from bot.outgoing import proxy_of, session, trusted
from bot.providers.rate_limits import RateLimits
from bot.providers.rest import RestClient
from bot.slack.client import SlackClient

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
PATIENCE = aiohttp.ClientTimeout(total=5)


class Proxy:
    """A proxy for plain HTTP that answers everything by itself, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.url.host))
        return web.json_response({"ok": True, "team_id": "T1"})


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", proxy.answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("HTTP_PROXY", str(server.make_url("")))
        yield proxy


@pytest.mark.case("adoption-10")
async def test_slack_ci_and_metrics_are_called_through_the_same_proxy(proxy: Proxy) -> None:
    async with session() as ours:
        await SlackClient(ours, token="xoxb-1", base_url="http://slack.invalid/api/").who_am_i()
        await RestClient(ours, "http://ci.invalid", vendor="CI", rate_limits=RateLimits()).get(
            "/runs"
        )
        async with ours.get("http://metrics.invalid/metrics", timeout=PATIENCE) as answer:
            assert answer.status == 200
    assert proxy.asked == ["slack.invalid", "ci.invalid", "metrics.invalid"]


@pytest.mark.case("adoption-10")
async def test_what_no_proxy_names_is_called_directly_whoever_it_is(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.inside.example.com")
    direct = Proxy()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", direct.answer)
    async with TestServer(app) as server, session() as ours:
        here = str(server.make_url("")).rstrip("/")
        await SlackClient(ours, token="xoxb-1", base_url=f"{here}/api/").who_am_i()
        await RestClient(ours, here, vendor="CI", rate_limits=RateLimits()).get("/runs")
    assert (proxy.asked, direct.asked) == ([], ["127.0.0.1", "127.0.0.1"])


@pytest.mark.case("adoption-10")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://slack.com/api/", "http://secure.example.com:3128"),
        ("wss://wss-primary.slack.com/", "http://secure.example.com:3128"),
        ("http://slack.com/api/", "http://plain.example.com:3128"),
        ("wss://slack.inside.example.com/", ""), ("nonsense", ""),
    ],
)  # fmt: skip
def test_slacks_websocket_goes_the_same_way(
    url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.example.com:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://plain.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.inside.example.com")
    assert proxy_of(url) == expected


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of our own for 127.0.0.1: the file to trust, and what a server needs."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
    built = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(days=1),
        now + timedelta(days=1),
    )
    built = built.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    file, both = folder / "ca.pem", folder / "server.pem"
    file.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both.write_bytes(file.read_bytes() + key.private_bytes(*form))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return file, context


@pytest.mark.case("adoption-10")
async def test_an_authority_of_the_teams_own_is_trusted_by_every_call_and_by_nothing_else(
    tmp_path: Path,
) -> None:
    file, context = authority(tmp_path)
    vendor = Proxy()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", vendor.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    here = str(server.make_url("")).rstrip("/")
    async with session(trusted(file)) as ours:
        await SlackClient(ours, token="xoxb-1", base_url=f"{here}/api/").who_am_i()
        await RestClient(ours, here, vendor="CI", rate_limits=RateLimits()).get("/runs")
    async with session() as others:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await others.get(here, timeout=PATIENCE)
    await server.close()


@pytest.mark.case("adoption-10")
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_holds_none_is_said_at_the_start(
    content: str | None, tmp_path: Path
) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content, encoding="utf-8")
    with pytest.raises(
        ConfigurationError,
        match=r"^GONOGO_CA_FILE: .*ca\.pem (cannot be read: No such file|holds no certificate)",
    ):
        trusted(tmp_path / "ca.pem")


@pytest.mark.case("adoption-10")
def test_there_is_no_other_way_out() -> None:
    root = Path(__file__).parents[2]
    files = [
        path
        for path in (*root.glob("bot/**/*.py"), *root.glob("handlers/**/*.py"))
        if "sandbox" not in path.parts
    ]
    assert [
        path.name for path in files if "ClientSession(" in path.read_text(encoding="utf-8")
    ] == ["outgoing.py"]
