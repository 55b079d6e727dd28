"""Documents that a server shares: what it tells, what is taken, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.load import documents_in, load_configuration
from bot.distro.sharing import (
    SHARED,
    built_in_documents,
    documents_to_json,
    fetch_documents,
    is_built_in,
)
from bot.errors import SurroundingsError, UsageError
from tests.distro.conftest import Web

REPOSITORY = """
document: feedback-pipeline-repository
version: 2
data:
  name: Elsewhere
  description: Of a server.
  maintainer: ann
  source:
    repos:
      base: {baseurl: https://elsewhere.example/, FIELDS}
    releasever: 9
    architectures: [x86_64]
"""


def test_a_servers_documents_are_taken_whole_and_again_from_the_cache(
    web: Web, tmp_path: Path
) -> None:
    rows = [{"image": "ubi9*", "repository": "r", "environment": "e", "files": "/srv/secret"}]
    text = json.dumps(documents_to_json(built_in_documents(), rows))
    (web.root / "api").mkdir()
    (web.root / SHARED.lstrip("/")).write_text(text)
    cache = Cache(tmp_path / "cache")
    first, again = (fetch_documents(f"{web.url}{SHARED}", cache) for _ in range(2))
    assert first == again
    assert documents_in(first.folder) == documents_in(built_in_documents())
    assert is_built_in(first.folder)
    assert load_configuration(first.folder) == load_configuration(built_in_documents())
    # A folder of the server's is nobody else's.
    assert first.base_images == ({"image": "ubi9*", "repository": "r", "environment": "e"},)


@pytest.mark.parametrize(
    "answer",
    ["<html>", "[]", "{}", '{"documents": []}', '{"documents": {"a.yaml": 1}}',
     '{"documents": {"../a.yaml": ""}}', '{"documents": {"/etc/a.yaml": ""}}',
     '{"documents": {".a.yaml": ""}}', '{"documents": {"bot.yaml": ""}}',
     '{"documents": {"a.sh": ""}}', '{"documents": {}, "base_images": [1]}',
     '{"documents": {}, "base_images": [{"image": "ubi9*"}]}',
     '{"documents": {}, "base_images": [{"image": "i", "repository": "r", "environment": "e",'
     ' "of_a_newer_server": 1}]}'],
)  # fmt: skip
def test_another_answer_is_refused_and_nothing_written(
    web: Web, tmp_path: Path, answer: str
) -> None:
    (web.root / "x").write_text(answer)
    with pytest.raises(SurroundingsError, match=f"^{web.url}/x has "):
        fetch_documents(f"{web.url}/x", Cache(tmp_path / "cache"))
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_document_from_elsewhere_names_no_credentials_of_this_machine(
    web: Web, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    for fields in (
        f"username: {{file: {secret}}}, password: {{file: {secret}}}",
        "proxy: 'http://p.example', proxy_username: {env: HOME}",
    ):
        text = REPOSITORY.replace("FIELDS", fields)
        (web.root / "x").write_text(json.dumps({"documents": {"elsewhere.yaml": text}}))
        with pytest.raises(
            UsageError, match=r"^The repository base of elsewhere, from http.*names"
        ):
            fetch_documents(f"{web.url}/x", Cache(tmp_path / "cache"))
    assert web.requests_of("repodata") == []


def test_a_folder_with_one_document_changed_is_not_the_built_in_one(tmp_path: Path) -> None:
    for name, content in documents_in(built_in_documents()).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "bot.yaml").write_text("the server's settings")
    assert is_built_in(tmp_path)
    (tmp_path / "nginx.yaml").write_text("other")
    assert not is_built_in(tmp_path)
