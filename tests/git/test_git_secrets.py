"""A token is in no argument of git or of its helpers, no file, no log and no error."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import shutil
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.git.command import GitError
from bot.git.mirror import GitCredential, open_mirror


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `git` that writes down its arguments, and has git write down those of its helpers."""
    record = tmp_path / "record"
    real = shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    wrapper = folder / "git"
    wrapper.write_text(
        f'#!/bin/sh\necho "argv: $*" >>{record}\nexport GIT_TRACE={record}\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return record


async def test_a_private_repository_is_fetched_and_the_token_is_nowhere(
    tmp_path: Path, recorder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with LocalForge(tmp_path / "forge") as forge:
        repository = forge.add_repository("rpms/secret", private=True)
        base = repository.git.commit("main", {"a.spec": "Name: a\n"}, "Start")
        head = repository.git.commit("topic", {"a.spec": "Name: b\n"}, "Go", start="main")
        forge.set_role(repository, "bot", "read")
        token = forge.token("bot")
        url = f"{forge.url}/rpms/secret.git"
        recorder.unlink(missing_ok=True)

        def work() -> tuple[Path, str]:
            mirror = open_mirror(tmp_path / "cache", url, GitCredential("x-access-token", token))
            assert mirror.fetch(head, base) == base
            assert mirror.read(head, "a.spec") == b"Name: b\n"
            mirror.materialize(head, tmp_path / "out")
            with pytest.raises(GitError) as refused:
                mirror.fetch("1" * 40, base, refs=["refs/pull/99/head"])
            return mirror.path, str(refused.value)

        where, lost = await asyncio.to_thread(work)
        # The same without it is refused, so the token is what opened it.
        with pytest.raises(GitError) as refused:
            await asyncio.to_thread(lambda: open_mirror(tmp_path / "no", url).fetch(head, base))
    recorded = recorder.read_text(errors="replace")
    assert recorded.count("argv:") >= 6
    assert "git-remote-http" in recorded or "remote-http" in recorded  # helpers are on record too
    places = {"git's arguments": recorded, "the log": caplog.text, "an error": lost}
    places["another error"] = str(refused.value)
    for file in [*where.rglob("*"), *(tmp_path / "out").rglob("*")]:
        if file.is_file():
            places[str(file)] = file.read_bytes().decode("latin-1")
    pair = f"x-access-token:{token}".encode()
    for secret in (token, base64.b64encode(pair).decode(), "Authorization", "x-access-token"):
        assert [place for place, text in places.items() if secret in text] == [], secret
    assert "url" not in (where / "config").read_text()
    assert not (where / "FETCH_HEAD").exists()
    assert not (where / "logs").exists()


async def test_two_pull_requests_share_one_object_cache(tmp_path: Path) -> None:
    async with LocalForge(tmp_path / "forge") as forge:
        repository = forge.add_repository("rpms/nginx")
        base = repository.git.commit("main", {"a.spec": "Name: a\n"}, "Start")
        fork = forge.add_repository("ann/nginx", parent=repository)
        heads = [
            repository.git.commit("one", {"a.spec": "Name: b\n"}, "One", start="main"),
            fork.git.commit("two", {"a.spec": "Name: c\n"}, "Two", start="main"),
        ]
        await forge.open_pull(repository, "one", user="ann", title="1")
        await forge.open_pull(repository, "two", user="ann", title="2", head_repository=fork)
        url = f"{forge.url}/rpms/nginx.git"

        def work() -> list[bytes | None]:
            found = []
            for number, head in enumerate(heads, 1):
                mirror = open_mirror(tmp_path / "cache", url)
                assert mirror.fetch(head, base, refs=[f"refs/pull/{number}/head"]) == base
                found.append(mirror.read(head, "a.spec"))
            return found

        assert await asyncio.to_thread(work) == [b"Name: b\n", b"Name: c\n"]
    assert len(list((tmp_path / "cache").iterdir())) == 1
