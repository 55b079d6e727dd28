"""The line of a comment for one's own machine, run in a clone: it gives the bot's own result."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cli import main
from bot.distro import sharing
from bot.distro.sharing import documents_to_json
from bot.engine.checker import LocalChecker
from bot.engine.job import CheckJob
from bot.git.repository import open_repository
from bot.model.result import CheckResult
from bot.model.result_json import check_to_json
from bot.report.comment import local_command
from bot.settings.values import Settings
from tests.check.tiny import DOCUMENTS, TOOL, Bench, documented, workload
from tests.distro.servers import Served, serve
from tests.engine.conftest import settings_in

GROWN = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")
SETTINGS = "repository: {release-*: repo}\narchitectures: [x86_64]\n"


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    """An upstream whose `topic` adds a requirement; main has gone on since."""
    second = DOCUMENTS["repo"].replace("tiny:", "small:")
    bench = documented(
        tmp_path,
        tiny_repositories,
        web=workload("tool"),
        other=workload("addon"),
        second=second,
        minimal=DOCUMENTS["minimal"].replace("[repo]", "[repo, second]"),
    )
    bench.start({"tool.spec": TOOL, "data.txt": "data\n"})
    origin = (tmp_path / "git").as_uri()
    subprocess.run(["git", "clone", "--quiet", origin, str(tmp_path / "clone")], check=True)
    bench.git("checkout", "--quiet", "-b", "topic")
    bench.commit({"tool.spec": GROWN})
    bench.git("update-ref", "refs/pull/7/head", "topic")
    bench.git("checkout", "--quiet", "main")
    bench.commit({".minimize.yaml": SETTINGS})
    return bench


def checked(bench: Bench, settings: Settings, **fields: Any) -> CheckResult:
    """The bot's prediction of the topic, with the place of its commits, as a final result."""
    clone = open_repository(bench.root / "git")
    base, head = clone.resolve("main"), clone.resolve("topic")
    job = CheckJob("c", "gh", "rpms/tool", 7, "main", base, head, "ann", **fields)
    result = LocalChecker(settings).predict(job, clone).result
    if result.reproduction is None:
        return result
    fetch = ((bench.root / "git").as_uri(), "pull/7/head", "heads/main")
    way = replace(result.reproduction, fetch=fetch)
    return replace(result, stage="final", reproduction=way)


def repeated(
    bench: Bench, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The JSON that a line gives in a clone made before the topic, which has folders of its own."""
    clone = bench.root / "clone"
    (clone / "config").mkdir()
    fetch, _, command = line.partition(" && ")
    subprocess.run(fetch, shell=True, cwd=clone, check=True, capture_output=True)
    words = shlex.split(command)
    assert words[:2] == ["minimize", "check"]
    monkeypatch.chdir(clone)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], "--format", "json", "--cache", str(bench.root / "own")])
    out = capsys.readouterr()
    assert ended.value.code in (0, 3), out.err
    answer: dict[str, Any] = json.loads(out.out)
    return answer


def compared(value: dict[str, Any]) -> dict[str, Any]:
    """What must be the same: all but how to repeat it."""
    return {name: part for name, part in value.items() if name != "reproduction"}


@pytest.fixture
def settings(bench: Bench) -> Settings:
    return settings_in(bench.root).model_copy(update={"config": bench.config})


@pytest.mark.parametrize(
    "fields",
    [{"documents": ("repo",)}, {}, {"documents": ("second",), "workloads": ("web",)},
     {"documents": ("repo", "second"), "arches": ("aarch64",)}],
)  # fmt: skip
def test_on_the_servers_own_documents(
    bench: Bench,
    settings: Settings,
    fields: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = tmp_path / "served" / "api" / "documents"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps(documents_to_json(bench.config, ())))
    with serve(Served(root=tmp_path / "served")) as server:
        public = settings.model_copy(update={"public_url": server.url, "share_documents": True})
        result = checked(bench, public, **fields)
        answer = repeated(bench, local_command(result), capsys, monkeypatch)
    assert result.images
    assert compared(answer) == compared(check_to_json(result))


def test_on_documents_that_come_along(
    bench: Bench,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "built_in_documents", lambda: bench.config)
    result = checked(bench, settings, documents=("second",))
    assert result.reproduction is not None
    assert result.reproduction.arguments == ("--on", "second")
    answer = repeated(bench, local_command(result), capsys, monkeypatch)
    assert compared(answer) == compared(check_to_json(result))


def test_on_documents_of_the_repository_itself(
    bench: Bench,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its repository document names another place; a server does not open it, nor does the line."""
    own = {"minimal.yaml": DOCUMENTS["minimal"], "repo.yaml": DOCUMENTS["repo"]}
    bench.commit({**own, "web.yaml": workload("tool")})
    bench.git("checkout", "--quiet", "-B", "topic")
    bench.commit({"web.yaml": workload("tool", "perl")})
    bench.git("update-ref", "refs/pull/7/head", "topic")
    bench.git("checkout", "--quiet", "main")
    page = tmp_path / "served" / "api" / "documents"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps(documents_to_json(bench.config, ())))
    with serve(Served(root=tmp_path / "served")) as server:
        public = settings.model_copy(update={"public_url": server.url, "share_documents": True})
        result = checked(bench, public, documents=("repo",))
        answer = repeated(bench, local_command(result), capsys, monkeypatch)
    assert result.requests == ("web.yaml",) and result.images
    assert compared(answer) == compared(check_to_json(result))


def test_no_line_where_none_gives_the_same(bench: Bench, settings: Settings) -> None:
    assert checked(bench, settings).reproduction is None  # nobody else has the documents
    hidden = settings.model_copy(update={"public_url": "http://bot.example"})
    public = hidden.model_copy(update={"share_documents": True})
    assert checked(bench, hidden).reproduction is None
    assert checked(bench, public).reproduction is not None
