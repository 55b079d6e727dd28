"""From a merged pull request to the step attributed to it, and to the issue about what it broke."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bot.cli import cli
from bot.demo.distribution.reference import write_repository
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.engine.dispatcher import Dispatcher
from bot.engine.merged import MergedChanges
from bot.forge.protocol import open_forges
from bot.model.image import ImageKey
from bot.model.result_json import check_to_json
from bot.settings.values import load_settings
from bot.store.commands import Commands, Decision
from bot.store.history.history import open_history
from bot.store.records import CheckRecord, NewDelivery
from bot.store.store import now, open_store
from tests.check.tiny import DOCUMENTS, TOOL, WORLD, Bench, objective, workload
from tests.forges import KINDS, api_url, page_of
from tests.specs import build

KEY = ImageKey("web", "minimal", "repo", "x86_64")
WITH_PERL = TOOL.replace("Release: 1", "Release: 2").replace(
    "Requires: base\n", "Requires: base\nRequires: perl\n"
)
OBJECTIVE = objective("web", name="web stays small", maintainer="web-sig", limits={"packages": 3})


def world(base: int, perl: int) -> str:
    """The rest of the distribution, with files of these sizes."""
    files = (
        "%install\nmkdir -p %{buildroot}/opt\n"
        f"head -c {base} /dev/zero >%{{buildroot}}/opt/base\n"
        f"head -c {perl} /dev/zero >%{{buildroot}}/opt/perl\n%package -n base\n"
    )
    spec = WORLD.replace("%package -n base\n", files, 1)
    spec = spec.replace("%files -n perl\n", "%files -n perl\n/opt/perl\n", 1)
    return spec.replace("%files -n base\n", "%files -n base\n/opt/base\n", 1)


def publish(root: Path, revision: int, **specs: str) -> None:
    """Builds the specs and makes them the repository, with what was there before."""
    for name, spec in specs.items():
        build(spec, "x86_64", root / "work" / str(revision) / name, root / "x86_64")
    packages = sorted((root / "x86_64").rglob("*.rpm"))
    write_repository(root / "x86_64", packages, revision=revision)


def settings_of(home: Path, local: LocalForge, kind: str) -> Path:
    own: dict[str, Any] = {"type": kind, "webhook_secrets": [{"file": "secret"}]}
    (home / "secret").write_text("s3cret")
    repository = local.state.repository("rpms/tool")
    assert repository is not None
    if kind == "github":
        permissions = {"issues": "write", "metadata": "read", "pull_requests": "read"}
        app = local.add_app("minimize", permissions=permissions)
        local.install(app, "rpms")
        (home / "app.pem").write_text(app.private_key)
        own |= {"api_url": local.api_url, "app": {"id": app.id, "private_key": {"file": "app.pem"}}}
    else:
        local.set_role(repository, "minimize", "triage")
        (home / "token").write_text(local.token("minimize"))
        own |= {"api_url": api_url(local, kind), "token": {"file": "token"}}
    document = {
        "data": "data",
        "config": "config",
        "cache": "cache",
        "public_url": "https://min.example",
        "forges": {"it": own},
        "repositories": [{"match": "rpms/*", "documents": ["repo"]}],
        "issues": {"objectives": {"web-*": "it:rpms/tool"}},
    }
    (home / "bot.yaml").write_text(yaml.safe_dump(document))
    return home / "bot.yaml"


async def merge(local: LocalForge, pull: Pull, settings_file: Path, result: Any) -> None:
    """Merges; the bot has checked the head before, and hears of the merge twice."""
    settings = load_settings(settings_file)
    store = open_store(settings.data)
    history = open_history(store)
    forges = open_forges(settings)
    store.add_check(
        CheckRecord(
            "c1", "it", "rpms/tool", pull.number, pull.head_sha, base_ref="main",
            stage="predicted", result={**check_to_json(result), "head": pull.head_sha},
            created=now(), open=False,
        )
    )  # fmt: skip
    Commands(store).decide(
        Decision("it", "rpms/tool", pull.number, pull.head_sha, "accept", "maria", "write",
                 "perl is needed", now(), "41")
    )  # fmt: skip
    await local.merge_pull(pull, user="maria")
    user = local.state.user("maria")
    if settings.forges["it"].type == "pagure":
        kind = "pull-request.closed"
        shape = local.pagure.shapes.pull(pull)
        payload = {"pullrequest": shape, "agent": user.login, "merged": True}
    elif settings.forges["it"].type == "forgejo":
        kind = "pull_request"
        common = local.forgejo.common(pull.repository, user)
        payload = {**local.forgejo.pull_payload(pull, "closed"), **common}
    elif settings.forges["it"].type == "github":
        kind, installation = "pull_request", local.state.installations[0]
        common = local.github.common(pull.repository, user, installation)
        payload = {**local.github.pull_request(pull, "closed"), **common}
    else:
        kind = "merge_request"
        payload = local.gitlab.merge_request(pull, "closed", user)
    engine: Any = None  # no check runs
    merged_changes = MergedChanges(store, history, settings)
    dispatcher = Dispatcher(store, forges, engine, settings, merged_changes)
    for name in ("one", "two"):
        store.add_deliveries([NewDelivery("it", kind, name, json.dumps(payload).encode())])
        await dispatcher.handle_new()
    assert store.delivery_counts() == {"done": 2}
    for forge in forges.values():
        await forge.close()
    history.close()
    store.close()


def published(home: Path) -> Bench:
    """The distribution, the documents and the package's repository, as they are at first."""
    bench = Bench(home, home / "published")
    publish(bench.repositories, 1, world=world(100, 5000), tool=TOOL)
    bench.document("repo", DOCUMENTS["repo"].replace("[x86_64, aarch64]", "[x86_64]"))
    bench.document("minimal", DOCUMENTS["minimal"])
    bench.document("web", workload("tool"))
    bench.document("web-small", OBJECTIVE)
    (home / "git").mkdir()
    bench.git("init", "--quiet", "--initial-branch=main")
    bench.commit({"tool.spec": TOOL, "data.txt": "data\n"})
    return bench


async def track(settings: Path, *more: str) -> Any:
    """`minimize track`, as a timer runs it."""
    arguments = ["track", "--settings", str(settings), *more]
    return await asyncio.to_thread(CliRunner().invoke, cli, arguments, standalone_mode=False)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_merged_pull_request_is_named_for_the_step_it_caused(
    tmp_path: Path, kind: str
) -> None:
    bench = published(tmp_path)
    root = bench.repositories
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/tool")
        repository.git.commit("main", {"tool.spec": TOOL}, "Start")
        repository.git.commit("topic", {"tool.spec": WITH_PERL}, "Perl", start="main")
        pull = await local.open_pull(repository, "topic", user="ann", title="Add perl")
        settings = settings_of(tmp_path, local, kind)
        first = await track(settings)
        assert (first.return_value, "1 first seen." in first.stdout) == (0, True)
        result = await asyncio.to_thread(bench.check, {"tool.spec": WITH_PERL})
        assert result.sources == {"tool": "1-2"}
        await merge(local, pull, settings, result)
        # Merged, and not built yet: nothing is attributed to it.
        assert "1 did not." in (await track(settings)).stdout
        publish(root, 2, world=world(400, 5000).replace("Release: 1", "Release: 2"), tool=WITH_PERL)
        ran = await track(settings, "--format", "json")
        (image,) = json.loads(ran.stdout)["images"]
        step = {one["package"]: one for one in image["steps"]}
        grown = image["after"]["installed_size"] - image["before"]["installed_size"]
        assert sum(one["delta"] for one in image["steps"]) == grown == 5300
        page = page_of(local, kind, pull)
        for name, delta in (("perl", 5000), ("perl-libs", 0), ("tool", 0), ("tool-libs", 0)):
            about = step[name]["cause"]
            assert (step[name]["delta"], about["kind"]) == (delta, "pull request")
            record = about["pull_request"]
            assert (record["repository"], record["number"], record["url"], record["title"]) == (
                "rpms/tool", pull.number, page, "Add perl",
            )  # fmt: skip
        assert (step["base"]["delta"], step["base"]["cause"]["kind"]) == (300, "distribution")
        assert [e["capability"] for e in step["perl"]["cause"]["chain"]] == ["perl"]
        (issue,) = local.state.issues
        for words in (
            "web stays small",
            "5 packages",
            f"(<{page}>)",
            "`maria` accepted 5 packages",
        ):
            assert words in issue.body
        text = (await track(settings)).stderr
        assert "issues" not in text
        assert len(local.state.issues) == 1


class Killing(list[Any]):
    """The forge's issues; whoever makes a new one is killed before it knows of it."""

    process: asyncio.subprocess.Process | None = None

    def append(self, item: Any) -> None:
        super().append(item)
        if self.process is not None:
            self.process.kill()


async def test_track_killed_while_the_issue_is_written_leads_to_no_second_one(
    tmp_path: Path,
) -> None:
    bench = published(tmp_path)
    local = LocalForge(tmp_path / "forge")
    local.state.issues = killing = Killing()
    async with local:
        repository = local.add_repository("rpms/tool")
        repository.git.commit("main", {"tool.spec": TOOL}, "Start")
        settings = settings_of(tmp_path, local, "github")
        await track(settings)
        publish(bench.repositories, 2, tool=WITH_PERL)
        code = f"from bot.cli import main; main(['track', '--settings', {str(settings)!r}])"
        killing.process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        assert await killing.process.wait() == -signal.SIGKILL
        killing.process = None
        assert len(local.state.issues) == 1
        for _ in range(2):
            assert (await track(settings)).return_value == 0
        (issue,) = local.state.issues
        assert (issue.state, "5 packages" in issue.body) == ("open", True)
    history = open_history(tmp_path / "data")
    (known,) = history.issues()
    assert known.issue == str(issue.number)
    history.close()
    history.store.close()
