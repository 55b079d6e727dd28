"""The demo's run, judged with a bot of a few lines in the real one's place."""

import importlib.util
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bot.demo.run import after, demo, watch
from bot.demo.run.demo import DemoOptions, run_demo
from bot.errors import SurroundingsError, UsageError

HERE = Path(__file__).parent
FAKE = HERE / "fake_bot.py"
loading = importlib.util.spec_from_file_location("fake_stage", HERE / "fake_stage.py")
fake_stage = importlib.util.module_from_spec(loading)
sys.modules["fake_stage"] = fake_stage
loading.loader.exec_module(fake_stage)
PREDICTED = "<!-- m -->\n### nginx grows by 10 MB\n\n| `perl` | 9 MB |\n"
REBUILT = PREDICTED + "| `libxslt1.1` | 1 MB |\n"


def result(**others: Any) -> dict[str, Any]:
    added = [
        {"nevra": "perl-0:5-1.x86_64", "installed_size": 9_000_000},
        {"nevra": "libxslt1.1-0:1.1.35-1.x86_64", "installed_size": 1_000_000},
    ]
    image = {"arch": "x86_64", "workload": "nginx", "added": added}
    builds = [
        {"side": side, "outcome": "cached", "message": "", "seconds": None}
        for side in ("base", "head")
    ]
    return {"stage": "final", "images": [image], "builds": builds, **others}


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the demo with a fake bot that plays what it is given; the code and what was shown."""
    for name, stand_in in fake_stage.stand_ins(tmp_path).items():
        monkeypatch.setattr(demo, name, stand_in)
    monkeypatch.setattr(watch, "AFTERWARDS_SECONDS", 0.5)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(**given: Any) -> tuple[int, str]:
        monkeypatch.setenv("FAKE_BOT", json.dumps({"result": result(), **given}))
        out = io.StringIO()
        code = run_demo(
            DemoOptions(cache=tmp_path / "cache"), Console(file=out, width=100, highlight=False)
        )
        return code, out.getvalue()

    return run


def left_behind(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.iterdir() if path.name.startswith("minimize-demo-")]


def test_a_prediction_and_its_edit_are_shown_with_what_tells_them_apart(play, tmp_path):
    code, shown = play(comments=[PREDICTED, REBUILT])
    assert code == 0, shown
    for said in (
        "webhook accepted (202)",
        "first comment (predicted): nginx grows by 10 MB",
        "comment edited (rebuilt)",
        "status success: done",
        "Both builds came from the cache",
    ):
        assert said in shown
    table = shown.partition("Found only by the build (x86_64)")[2]
    assert "libxslt1.1" in table
    assert "1.0 MB" in table
    assert "perl" not in table
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"comments": ["### nothing", REBUILT]}, "predicted comment does not name perl"),
        ({"comments": [REBUILT]}, "predicted comment names libxslt"),
        ({"comments": [PREDICTED]}, "was not edited after the rebuild"),
        ({"comments": [PREDICTED, REBUILT[:40]]}, "rebuilt comment does not name libxslt"),
        ({"comments": []}, "The bot did not comment."),
        (
            {"comments": [PREDICTED, REBUILT], "conclusion": "neutral"},
            "has the conclusion neutral",
        ),
        (
            {
                "comments": [PREDICTED, REBUILT],
                "result": result(
                    builds=[{"side": "head", "outcome": "head-failed", "message": "gcc"}]
                ),
            },
            "Build of head: head-failed: gcc",
        ),
    ],
)
def test_what_is_not_as_it_must_be_is_said_and_the_log_is_kept(play, tmp_path, given, said):
    code, shown = play(**given)
    assert code == 1
    assert said in shown
    (kept,) = left_behind(tmp_path)
    assert (kept / "bot.log").exists()


def test_a_bot_that_ends_by_itself_is_named_with_its_log(play):
    with pytest.raises(SurroundingsError, match="did not take the webhook") as ended:
        play(comments=[], exit=7)
    assert "the fake bot gives up" in ended.value.hint


def test_a_refused_webhook_ends_the_demo(play):
    with pytest.raises(SurroundingsError, match="did not take the webhook: 401"):
        play(comments=[], status=401)


def test_no_process_outlives_the_demo(play):
    play(comments=[PREDICTED, REBUILT])
    running = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                status = (entry / "status").read_text()
            except OSError:
                continue
            if str(FAKE).encode() in command and f"PPid:\t{os.getpid()}" in status:
                running.append(entry.name)
    assert running == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["webhook accepted", "Ctrl-C ends both"])
def test_a_demo_that_is_ended_ends_its_bot(tmp_path: Path, number: int, moment: str):
    comments = [PREDICTED, REBUILT] if "Ctrl-C" in moment else []
    given = {"result": result(), "comments": comments, "hang": not comments}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "fake_stage.py"), str(tmp_path)],
        env={**os.environ, "FAKE_BOT": json.dumps(given), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        shown = ""
        while moment not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        process.send_signal(number)
        process.stdout.read()
    assert process.returncode == (0 if comments else 130)
    (port,) = re.findall(r"the bot at http://127.0.0.1:(\d+)", shown)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)
    assert left_behind(tmp_path) == []


def test_a_demo_past_its_limit_shows_where_it_stood_and_ends_its_bot(tmp_path: Path):
    given = {"result": result(), "comments": [], "hang": True}
    done = subprocess.run(
        [sys.executable, str(HERE / "fake_stage.py"), str(tmp_path), "2"],
        env={**os.environ, "FAKE_BOT": json.dumps(given)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: the demo took more than 2 s. Where it stood:" in done.stderr
    assert "in Watch.until_done" in done.stderr
    assert "The end of the bot's log" in done.stderr
    (port,) = re.findall(r"the bot at http://127.0.0.1:(\d+)", done.stdout)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)


def test_a_forge_that_the_demo_has_not_is_refused_with_those_it_has():
    with pytest.raises(UsageError, match="github, gitlab"):
        run_demo(DemoOptions(forge="gerrit"))


def test_folds_graphs_and_hidden_notes_are_not_opened_in_a_terminal():
    body = (
        "<!-- hidden -->\n### Head\n\n<details><summary>More</summary>\n\ninner\n\n</details>\n\n"
        "```mermaid\ngraph LR\n```\n<sub>Foot</sub><br>\n"
    )
    text = watch.without_html(body)
    assert "More" in text
    for gone in ("hidden", "inner", "graph LR", "<sub>", "<br>"):
        assert gone not in text


def test_a_package_with_a_row_in_the_prediction_is_not_found_only_by_the_build():
    both = "| `perl` | 9 MB |\n| `libxslt1.1` | 1 MB |\n"
    assert watch.only_built(result(), "x86_64", "nginx", both) == {}
    # An objective may name a package that is not there yet.
    named = "| `perl` | 9 MB |\n| stays small | unwanted `libxslt1.1` | absent |\n"
    assert set(watch.only_built(result(), "x86_64", "nginx", named)) == {"libxslt1.1"}


def objective(metric: str, **others: Any) -> dict[str, Any]:
    about = {
        "name": "small",
        "id": "small",
        "metric": metric,
        "before": 1,
        "value": 2,
        "limit": 1,
        "target": None,
        "target_by": None,
    }
    return {**about, "met": False, "worse": True, "reason": "", **others}


def test_objectives_are_shown_before_and_after_the_pull_request():
    found = result()
    found["images"][0]["objectives"] = [
        objective("packages"),
        objective("installed_size", met=True, worse=False, limit=3_000_000),
        objective("unwanted:perl", worse=False, limit=0),
        objective("layer_size", value=None, before=None, met=None),
    ]
    out = io.StringIO()
    Console(file=out, width=120).print(watch.objectives_table(found, "x86_64", "nginx"))
    rows = [
        [cell.strip() for cell in line.split("\u2502")[2:-1]]
        for line in out.getvalue().splitlines()
        if "small" in line
    ]
    assert rows == [
        ["packages", "1 package", "2 packages", "1 package", "broken by it"],
        ["installed size", "1 B", "2 B", "3 MB", "met"],
        ["unwanted: perl", "present", "present", "", "broken before"],
        ["layer size", "", "not known", "1 B", "not measured"],
    ]
    assert watch.objectives_table(found, "s390x", "nginx") is None


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "did not move"),
        ([{"cause": {"pull_request": None}}], "not attributed to the pull request #1"),
        ([{"cause": {"pull_request": {"number": 2}}}], "not attributed to the pull request #1"),
    ],
)
def test_a_step_that_is_not_the_pull_requests_is_said(steps, said):
    tracked = {"images": [{"workload": "nginx", "arch": "x86_64", "steps": steps}]}
    (problem,) = after.problems_of_step(tracked, 1)
    assert said in problem
