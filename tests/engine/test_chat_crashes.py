"""kill -9 while a comment is heard and answered: no answer twice, no decision lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.store.commands import Commands
from bot.store.records import NewDelivery
from bot.store.store import open_store

SCRIPT = Path(__file__).parent / "crashing_chat.py"
MOMENTS = [
    "before the decision is kept",
    "after the decision was kept",
    "before the acceptance is told",
    "before the commands are kept",
    "after the reaction",
    "while the answer is sought",
    "before the answer is written",
    "after the answer was written",
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with a repository and a check that has ended: over a limit."""
    folder = tmp_path_factory.mktemp("checked")
    where = folder / "upstream"
    where.mkdir()

    def git(*arguments: str) -> str:
        names = {f"GIT_{w}_{f}": "a" for w in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(where), **names}
        done = subprocess.run(
            ["git", *arguments], cwd=where, env=environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "main")
    git("config", "uploadpack.allowFilter", "true")
    commits = []
    for text in ("Name: nginx\n", "Name: nginx\nRequires: perl\n"):
        (where / "nginx.spec").write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", "x")
        commits.append(git("rev-parse", "HEAD"))
    deliver(folder, "pull_request", {"wish": "check", "head": commits[1]})
    ended(start(folder, commits[1], commits[0], "nowhere"), folder)
    return folder, commits[1], commits[0]


def deliver(folder: Path, event: str, body: dict) -> None:
    store = open_store(folder)
    store.add_deliveries([NewDelivery("gh", event, f"guid-{event}", json.dumps(body).encode())])
    store.close()


def start(folder: Path, head: str, base: str, hang: str) -> subprocess.Popen:
    with (folder / "stderr").open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), head, base, hang],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def journal(folder: Path) -> list[str]:
    file = folder / "journal"
    return file.read_text().splitlines() if file.exists() else []


def ended(process: subprocess.Popen, folder: Path) -> None:
    try:
        assert process.wait(90) == 0, (folder / "stderr").read_text()
    finally:
        process.kill()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_comment_is_answered_once_and_its_decision_stays(
    tmp_path: Path, checked: tuple[Path, str, str], moment: str
) -> None:
    source, head, base = checked
    folder = tmp_path / "bot"
    shutil.copytree(source, folder)
    (folder / "journal").unlink()
    said = {
        "comment": "41",
        "author": "maria",
        "sender": "maria",
        "author_is_bot": False,
        "body": "/minimize accept because\n/minimize why perl\n/minimize help",
        "action": "created",
        "updated": "2999-01-01T00:00:00Z",
        "url": "u",
    }
    deliver(folder, "issue_comment", said)
    first = start(folder, head, base, moment)
    deadline = time.monotonic() + 90
    while f"hangs {moment}" not in journal(folder):
        assert first.poll() is None, (folder / "stderr").read_text()
        assert time.monotonic() < deadline, journal(folder)
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    ended(start(folder, head, base, "nowhere"), folder)

    happened = journal(folder)
    assert happened[-1] == "over"
    assert happened.count("answered") == 1
    assert happened.count("reacted") == 1
    # The acceptance was told once: the comment with its reason, and the status.
    assert happened.count("commented") == 1
    assert happened.count("status success") == 1
    comments = json.loads((folder / "comments.json").read_text())
    assert len(comments) == 2
    (answer,) = [body for marker, body in comments.items() if "answer" in marker]
    assert "`/minimize why perl`" in answer
    assert "| Command |" in answer
    (report,) = [body for marker, body in comments.items() if "answer" not in marker]
    assert "because" in report
    store = open_store(folder)
    decision = Commands(store).decision("accept", "gh", "o/r", 7, head)
    assert decision is not None
    assert (decision.user, decision.reason, decision.comment) == ("maria", "because", "41")
    assert store.rows("select count(*) as n from decisions") == [{"n": 1}]
    assert store.rows("select count(*) as n from commands") == [{"n": 3}]
    (check,) = store.checks_of("gh", "o/r", 7)
    assert check.verdict == "success"
    store.close()
