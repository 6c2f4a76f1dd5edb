"""The mirror of a repository that lives elsewhere, on real git."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.providers.ci.mirror import Mirror, token_for


class Elsewhere:
    """A repository that somebody else pushes to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "elsewhere"
        self.git("init", "--quiet", "--initial-branch=trunk", str(self.path), inside=False)

    def git(self, *arguments: str, inside: bool = True) -> str:
        where = ("-C", str(self.path)) if inside else ()
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        return subprocess.run(
            ["git", *where, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, subject: str, file: str = "app.py") -> str:
        (self.path / file).write_text(subject)
        self.git("add", file)
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


@pytest.fixture
async def mirror(tmp_path: Path, elsewhere: Elsewhere) -> Mirror:
    mirror = Mirror(str(elsewhere.path), tmp_path / "work", vendor="Jenkins")
    await mirror.open()
    return mirror


class TestResolving:
    async def test_what_was_pushed_since_the_last_question_is_seen(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        first = elsewhere.commit("first")
        assert (await mirror.resolve("trunk")).commit == first
        second = elsewhere.commit("second")
        elsewhere.git("tag", "v1.0.0")
        assert (await mirror.resolve("trunk")).commit == second
        assert (await mirror.resolve(second[:8])).version == "v1.0.0"

    async def test_a_tag_that_was_moved_and_a_branch_that_was_deleted_are_as_they_are_now(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        first = elsewhere.commit("first")
        elsewhere.git("tag", "stable")
        elsewhere.git("branch", "old")
        assert (
            (await mirror.resolve("old")).commit == (await mirror.resolve("stable")).commit == first
        )
        second = elsewhere.commit("second")
        elsewhere.git("tag", "--force", "stable")
        elsewhere.git("branch", "--delete", "--force", "old")
        assert (await mirror.resolve("stable")).commit == second
        with pytest.raises(IntegrationError, match='no tag, branch or commit "old"'):
            await mirror.resolve("old")

    async def test_the_whole_id_of_a_commit_means_that_commit_whatever_is_called_so(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        good, other = elsewhere.commit("good"), elsewhere.commit("other")
        elsewhere.git("update-ref", f"refs/tags/{good}", other)
        elsewhere.git("update-ref", f"refs/heads/{good}", other)
        assert (await mirror.resolve(good)).commit == good

    @pytest.mark.parametrize("kind", ["tags", "heads"])
    async def test_a_name_that_also_begins_another_commit_is_not_guessed(
        self, elsewhere: Elsewhere, mirror: Mirror, kind: str
    ) -> None:
        good, other = elsewhere.commit("good"), elsewhere.commit("other")
        elsewhere.git("update-ref", f"refs/{kind}/{good[:10]}", other)
        with pytest.raises(IntegrationError, match="Give the whole id") as refused:
            await mirror.resolve(good[:10])
        assert not refused.value.retry
        elsewhere.git("update-ref", f"refs/{kind}/{good[:10]}", good)
        assert (await mirror.resolve(good[:10])).commit == good

    async def test_a_tag_that_is_a_date_is_a_tag(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        commit = elsewhere.commit("first")
        elsewhere.git("tag", "--annotate", "--message", "of today", "20261121")
        found = await mirror.resolve("20261121")
        assert (found.commit, found.version) == (commit, "20261121")

    async def test_latest_without_tags_is_the_newest_commit_of_the_default_branch(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        first = elsewhere.commit("first")
        assert (await mirror.resolve("latest")).commit == first
        elsewhere.git("checkout", "--quiet", "-b", "main")
        second = elsewhere.commit("second")
        assert (await mirror.resolve("latest")).commit == second

    async def test_a_proposal_from_a_fork_is_no_version(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        elsewhere.commit("first")
        elsewhere.git("checkout", "--quiet", "-b", "proposal")
        proposed = elsewhere.commit("proposed")
        elsewhere.git("update-ref", "refs/pull/1/head", proposed)
        elsewhere.git("checkout", "--quiet", "trunk")
        elsewhere.git("branch", "--delete", "--force", "proposal")
        with pytest.raises(IntegrationError) as refused:
            await mirror.resolve(proposed)
        assert not refused.value.retry

    async def test_a_known_commit_is_resolved_while_the_repository_is_away(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        commit = elsewhere.commit("first")
        await mirror.resolve("trunk")
        shutil.rmtree(elsewhere.path)
        assert (await mirror.resolve(commit)).commit == commit
        for ref in ("trunk", "latest"):
            with pytest.raises(IntegrationError, match="The repository cannot be read"):
                await mirror.resolve(ref)

    @pytest.mark.parametrize("ref", ["--upload-pack=id", "a..b", "x;id", "-h", "", "a\nb", "$(id)"])
    async def test_an_unsafe_ref_never_reaches_git(self, mirror: Mirror, ref: str) -> None:
        with pytest.raises(IntegrationError, match="cannot be the name of a version") as refused:
            await mirror.resolve(ref)
        assert (refused.value.vendor, refused.value.retry) == ("Jenkins", False)

    async def test_many_who_ask_at_once_all_get_the_answer(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        first = elsewhere.commit("first")
        asked = [asyncio.create_task(mirror.resolve("trunk")) for _ in range(5)]
        await asyncio.sleep(0)
        assert {each.commit for each in await asyncio.gather(*asked)} == {first}
        under_way = asyncio.create_task(mirror.resolve("trunk"))
        await asyncio.sleep(0.005)
        second = elsewhere.commit("second")
        assert (await mirror.resolve("trunk")).commit == second, (
            "a fetch that had begun before is not enough"
        )
        await under_way


class TestComparing:
    async def test_commits_that_are_not_here_yet_are_fetched(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        base = elsewhere.commit("first")
        head = elsewhere.commit("second", "migrations.sql")
        changes = await mirror.compare(base, head)
        assert [each.subject for each in changes.commits] == ["second"]
        assert changes.files == ("migrations.sql",)

    async def test_a_commit_that_nobody_has_is_refused_for_good(
        self, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        base = elsewhere.commit("first")
        with pytest.raises(
            IntegrationError, match="does not have the commit 0000000000"
        ) as refused:
            await mirror.compare(base, "0" * 40)
        assert not refused.value.retry


class TestTheFolder:
    async def test_a_lock_that_an_ended_git_left_behind_is_taken_away(
        self, tmp_path: Path, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        elsewhere.commit("first")
        await mirror.resolve("trunk")
        (repository,) = (tmp_path / "work").iterdir()
        (repository / "refs" / "heads" / "trunk.lock").touch()
        (repository / "packed-refs.lock").touch()
        second = elsewhere.commit("second")
        assert (await mirror.resolve("trunk")).commit == second

    async def test_another_address_is_another_mirror(
        self, tmp_path: Path, elsewhere: Elsewhere, mirror: Mirror
    ) -> None:
        commit = elsewhere.commit("first")
        await mirror.resolve("trunk")
        (tmp_path / "new").mkdir()
        moved = Elsewhere(tmp_path / "new")
        moved.commit("another first")
        with pytest.raises(IntegrationError, match="no tag, branch or commit"):
            await Mirror(str(moved.path), tmp_path / "work", vendor="Jenkins").resolve(commit)


class Guarded:
    """The repository on https, for whoever shows the right token (git's
    dumb protocol: plain files).
    """

    def __init__(self, folder: Path, elsewhere: Elsewhere) -> None:
        self.certificate = folder / "server.pem"
        self.asked: list[str] = []
        key = folder / "key.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "1",
                "-subj",
                "/CN=here",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                str(key),
                "-out",
                str(self.certificate),
            ],
            check=True,
            capture_output=True,
        )
        elsewhere.git("update-server-info")
        self._files = elsewhere.path / ".git"
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.certificate, key)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_get("/shop.git/{path:.*}", self._answer)
        server = TestServer(application, host="127.0.0.1", scheme="https")
        await server.start_server(ssl=self._tls)
        try:
            yield f"https://robot@127.0.0.1:{server.port}/shop.git"
        finally:
            await server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Authorization", ""))
        if self.asked[-1] != f"Basic {base64.b64encode(b'robot:t0ken-of-the-robot').decode()}":
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        found = self._files / request.match_info["path"]
        return web.FileResponse(found) if found.is_file() else web.Response(status=404)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
class TestTokens:
    async def test_a_token_opens_the_repository_and_a_wrong_one_is_refused_without_a_question(
        self, tmp_path: Path, elsewhere: Elsewhere
    ) -> None:
        commit = elsewhere.commit("first")
        guarded = Guarded(tmp_path, elsewhere)
        trust = {"GIT_SSL_CAINFO": str(guarded.certificate)}
        async with guarded.opened() as address:
            known = Mirror(
                address,
                tmp_path / "known",
                vendor="Jenkins",
                environment={**token_for(address, "t0ken-of-the-robot"), **trust},
            )
            assert (await known.resolve("trunk")).commit == commit
            for token in ("wrong-wrong-wrong", ""):
                environment = {**token_for(address, token), **trust}
                with pytest.raises(
                    IntegrationError, match="the token is missing or wrong"
                ) as refused:
                    await Mirror(
                        address, tmp_path / "unknown", vendor="Jenkins", environment=environment
                    ).resolve("trunk")
                assert not refused.value.retry
                assert "robot" not in str(refused.value)
        left = [path.read_bytes() for path in (tmp_path / "known").rglob("*") if path.is_file()]
        assert not any(b"t0ken" in text or b"robot" in text for text in left)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "",
            "-u",
            "--upload-pack=id",
            "ext::sh -c id",
            "https://a\nb",
            "https://ana:hunter2@example.com/shop",
        ],
    )
    def test_an_address_that_is_unsafe_or_holds_a_password_is_refused(
        self, tmp_path: Path, address: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            Mirror(address, tmp_path, vendor="Jenkins")
        assert "hunter2" not in str(refused.value)

    async def test_a_path_that_is_not_there_is_said_so_and_may_come_back(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(
            IntegrationError,
            match=r"The repository cannot be read: git fetch: fatal: .*does not appear to be",
        ) as refused:
            await Mirror(str(tmp_path / "nowhere"), tmp_path / "work", vendor="Jenkins").resolve(
                "main"
            )
        assert refused.value.retry  # a disk that is not there just now

    async def test_a_server_that_is_away_may_come_back_and_its_token_stays_secret(
        self, tmp_path: Path
    ) -> None:
        address = "https://bot@127.0.0.1:1/shop.git"
        secret = token_for(address, "hunter2")
        with pytest.raises(IntegrationError, match="The repository cannot be read") as refused:
            await Mirror(address, tmp_path / "work", vendor="Jenkins", environment=secret).resolve(
                "main"
            )
        assert refused.value.retry
        said = f"{refused.value} {refused.value.__cause__}"
        assert not any(each in said for each in ("hunter2", "bot@", secret["GIT_CONFIG_VALUE_0"]))
        assert "***" not in said, "words that are no secrets stay"

    def test_a_token_is_shown_to_its_own_https_host_alone(self) -> None:
        shown = token_for("https://x-access-token@git.example.com/shop.git", "t0ken")
        assert shown["GIT_CONFIG_KEY_0"] == "http.https://git.example.com/.extraHeader"
        assert shown["GIT_CONFIG_VALUE_0"] == "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4="
        assert token_for("https://git.example.com/shop.git", "") == {}
        with pytest.raises(ConfigurationError, match="https"):
            token_for("git@git.example.com:shop.git", "t0ken")
