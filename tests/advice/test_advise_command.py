"""`minimize advise`: its JSON as CONTRACT has it, its text, and its exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from bot.cli import main
from bot.model.advice import Change
from bot.model.opportunity import OpportunityImage
from bot.store.opportunities import Opportunities, Place
from bot.store.store import open_store
from tests.closure.conftest import Tiny


def document(root: Path, name: str, kind: str, **data: object) -> None:
    described = {"name": name, "description": "d", "maintainer": "m", **data}
    text = yaml.safe_dump(
        {"document": f"feedback-pipeline-{kind}", "version": 2 if kind == "repository" else 1}
        | {"data": described}
    )
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / f"{name}.yaml").write_text(text)


@pytest.fixture
def run(tmp_path, tiny: Tiny, capsys):
    """Runs `minimize advise` with documents for a tiny repository."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["web"])
    base.package("big-0:1-1.x86_64", size=2_000_000, provides=["web"], source="web-1-1")
    base.package("less-0:1-1.x86_64", size=9000, provides=["web"], source="web-1-1")
    base.package("broken-0:1-1.x86_64", requires=["nowhere"])
    base.package("broken-0:0.9-1.x86_64", requires=["nowhere"])
    source = {
        "repos": {"base": {"name": "b", "baseurl": base.write()}},
        "releasever": "9",
        "architectures": ["x86_64"],
    }
    document(tmp_path, "repo", "repository", source=source)
    document(tmp_path, "bare", "environment", repositories=["repo"], packages=[], labels=["l"])
    for name in ("app", "broken"):
        document(tmp_path, name, "workload", packages=[name], labels=["l"])

    def command(*words: str) -> tuple[int, str]:
        places = ["--config", str(tmp_path / "config"), "--cache", str(tmp_path / "cache")]
        places += ["--data", str(tmp_path / "data")]
        with pytest.raises(SystemExit) as ended:
            main(["advise", *words, *places])
        return int(ended.value.code or 0), capsys.readouterr().out

    return command


def test_json_has_the_fields_of_the_contract(run):
    code, out = run("app", "--edits", "0", "--format", "json")
    assert code == 0
    key = {"workload": "app", "environment": "bare", "repository": "repo", "arch": "x86_64"}
    lost = {"programs": [], "sonames": [], "modules": []}
    swap = {"of": ["big"], "take": "less", "saves": 1_991_000, "class": "same-source"}
    (image,) = json.loads(out)["images"]
    assert image["smallest"]["instead"][0].items() >= {**swap, "loses": lost}.items()
    assert image["smallest"].items() >= {
        "packages": 2, "installed_size": 10_000, "proved": True, "bound": 10_000,
        "request": ["less"], "excludes": [],
    }.items()  # fmt: skip
    held = {"nevra": "app-0:1-1.x86_64", "packages": 2, "installed_size": 2_001_000}
    assert image["retained"][0] == held
    assert image.items() >= {
        **key, "now": {"packages": 2, "installed_size": 2_001_000}, "plans": [],
    }.items()  # fmt: skip
    assert json.loads(out).items() >= {"metric": "installed", "overall": [], "fleet": None}.items()


def test_edits_that_are_opportunities_have_their_state_and_declined_ones_are_left_out(
    run, tmp_path
):
    assert not (tmp_path / "data").exists()
    store = open_store(tmp_path / "data")
    web = Change("weaken", "app", "app", "web", None, "Recommends: web", 2_000_000)
    opportunities = Opportunities(store)
    image = OpportunityImage("app", "bare", ("x86_64",), 2_000_000)
    opportunities.record(Place("repo", "app", "bare"), "x", [(web, image)])
    (one,) = opportunities.all()
    opportunities.propose([one.id], "https://f/1")
    code, out = run("app", "--format", "json")
    assert code == 0
    (plan,) = json.loads(out)["images"][0]["plans"]
    state = {"id": one.id, "state": "proposed", "url": "https://f/1", "saved": None}
    assert plan["changes"][0]["opportunity"] == state
    assert f"proposed: https://f/1 (opportunity {one.id})" in run("app")[1]
    opportunities.land(replace(one, changed="2026-11-01"), [replace(image, before=9, after=2)])
    assert f"landed, saved 7 B (opportunity {one.id})" in run("app")[1]
    with store.writing() as db:
        db.execute("update opportunities set state = 'declined'")
    answer = json.loads(run("app", "--format", "json")[1])
    assert (answer["images"][0]["plans"], answer["overall"]) == ([], [])
    store.close()


def test_text_says_what_to_request_and_an_unsolvable_image_what_is_missing(run):
    code, out = run("--edits", "0")
    assert code == 3
    assert out == (
        "app on bare, repo, x86_64: 2 packages, 2 MB\n"
        "  Smallest: 2 packages, 10 kB (proved)\n"
        "    request also: less\n"
        "    less instead of big, of the same source, saves 2 MB\n"
        "  What would leave with a package:\n"
        "    app-0:1-1.x86_64: 2 packages, 2 MB\n"
        "    big-0:1-1.x86_64: 1 package, 2 MB\n"
        "\n"
        "broken on bare, repo, x86_64: cannot be installed\n"
        "  nothing provides nowhere, which broken requires\n"
        "  and 1 more cause, in these packages or in others that could have replaced them\n"
    )


def test_downloads_are_the_metric_that_is_asked_for(run):
    _, out = run("app", "--edits", "0", "--metric", "download", "--format", "json")
    assert json.loads(out)["metric"] == "download"
    assert json.loads(out)["images"][0]["now"]["installed_size"] == 1_000_500


def test_what_an_objective_keeps_is_in_every_plan(run, tmp_path):
    assert "Recommends: web" in run("app")[1]
    data = {"name": "o", "description": "d", "maintainer": "m", "workload": "app", "keep": ["web"]}
    text = yaml.safe_dump({"document": "minimize-objective", "version": 1, "data": data})
    (tmp_path / "config" / "objective.yaml").write_text(text)
    code, out = run("app")
    assert (code, "edit" in out) == (0, False)


def test_without_the_optimiser_the_command_says_how_to_get_it(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pysat", None)
    monkeypatch.setattr("bot.cli.advise.find_spec", lambda _: None)
    code, _ = run("app")
    assert code == 1


def test_the_fleet_is_there_where_it_is_wanted(run):
    assert json.loads(run("app", "--edits", "0", "--format", "json")[1])["fleet"] is None
    fleet = json.loads(run("app", "--edits", "0", "--fleet", "--format", "json")[1])["fleet"]
    assert fleet["images"][0].items() >= {"workload": "app", "request": ["less"]}.items()
    assert fleet.items() >= {
        "packages": 2, "installed_size": 10_000, "proved": True, "bound": 10_000,
        "request": {"app": ["less"]}, "now": {"packages": 2, "installed_size": 2_001_000},
        "smallest": {"packages": 2, "installed_size": 10_000},
    }.items()  # fmt: skip
    text = run("app", "--edits", "0", "--fleet")[1]
    assert "the fewest bytes: 2 packages, 10 kB (proved)" in text


def test_a_size_that_no_header_says_is_no_proof(run):
    (image,) = json.loads(run("app", "--metric", "nodocs", "--format", "json")[1])["images"]
    assert image["now"]["installed_size"] is None
    assert image["smallest"]["installed_size"] is None
    assert not image["smallest"]["proved"]


def test_other_documents_that_do_without_a_requirement_are_precedents(run, tiny, tmp_path):
    newer = tiny.repository("newer")
    newer.package("app-0:2-1.x86_64")
    places = {"newer": newer.write(), "away": "https://nowhere.invalid/x86_64/"}
    for name, url in places.items():
        source = {
            "repos": {name: {"name": name, "baseurl": url}},
            "releasever": "10",
            "architectures": ["x86_64"],
        }
        document(tmp_path, name, "repository", source=source)
    code, out = run("app", "--format", "json")
    assert code == 0
    (image,) = json.loads(out)["images"]
    found = {
        change["capability"]: change["evidence"]["precedent"]
        for plan in image["plans"]
        for change in plan["changes"]
    }
    # What the cache does not have is not fetched for it.
    assert found == {"web": [{"repository": "newer", "nevra": "app-0:2-1.x86_64"}]}
    assert "app-0:2-1.x86_64 in newer does without this requirement.\n" in run("app")[1]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL that it has while the test runs."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_precedents_of_what_the_cache_lacks_are_fetched_where_the_option_says_so(
    run, tiny, tmp_path, served
):
    folder, url = served
    newer = tiny.repository("newer")
    newer.package("app-0:2-1.x86_64")
    newer.write()
    shutil.copytree(newer.root, folder / "newer")
    source = {
        "repos": {"newer": {"name": "newer", "baseurl": f"{url}/newer/"}},
        "releasever": "10",
        "architectures": ["x86_64"],
    }
    document(tmp_path, "newer", "repository", source=source)

    def precedents(*words: str) -> list[list[str]]:
        (image,) = json.loads(run("app", "--format", "json", *words)[1])["images"]
        changes = [change for plan in image["plans"] for change in plan["changes"]]
        return [[p["nevra"] for p in change["evidence"]["precedent"]] for change in changes]

    assert precedents() == [[]]
    assert precedents("--precedent") == [["app-0:2-1.x86_64"]]
    # It is in the cache from then on.
    assert precedents() == [["app-0:2-1.x86_64"]]


def test_what_a_checkouts_minimize_yaml_keeps_is_in_every_plan(run, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    objective = "{name: o, workload: app, keep: [web]}"
    for written, plans in (("objectives: []\n", 1), (f"objectives: [{objective}]\n", 0)):
        (checkout / ".minimize.yaml").write_text(written)
        _, out = run("app", "--git", str(checkout), "--format", "json")
        (image,) = json.loads(out)["images"]
        assert len(image["plans"]) == plans


def test_a_checkouts_minimize_yaml_names_maintainers(run, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / ".minimize.yaml").write_text("maintainers: {ap*: [ann, ben]}\n")
    _, out = run("app", "--git", str(checkout), "--format", "json")
    (image,) = json.loads(out)["images"]
    owners = [change["maintainers"] for plan in image["plans"] for change in plan["changes"]]
    assert owners == [["ann", "ben"]]
