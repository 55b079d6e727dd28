"""kill -9 while a comment is handled and answered: no answer twice, no decision lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bot.store.commands import Commands
from bot.store.store import open_store
from tests.engine.conftest import KilledProgram, Repository, journal, stored_delivery

MOMENTS = [
    "before the decision is stored",
    "after the decision was stored",
    "before the acceptance is published",
    "before the commands are stored",
    "after the reaction",
    "while the answer is sought",
    "before the answer is written",
    "after the answer was written",
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with a repository and a check that has ended: over a limit."""
    folder = tmp_path_factory.mktemp("checked")
    repository = Repository(folder / "upstream")
    head = repository.commit("topic", {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    stored_delivery(folder, "pull_request", {"wish": "check", "head": head})
    start(folder, head, repository.base, "nowhere").ended()
    return folder, head, repository.base


def start(folder: Path, head: str, base: str, hang: str) -> KilledProgram:
    return KilledProgram("crashing_chat.py", folder, head, base, hang)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_comment_is_answered_once_and_its_decision_stays(
    tmp_path: Path, checked: tuple[Path, str, str], moment: str
) -> None:
    source, head, base = checked
    folder = tmp_path / "bot"
    shutil.copytree(source, folder)
    (folder / "journal").unlink()
    comment = {
        "comment": "41",
        "author": "maria",
        "sender": "maria",
        "author_is_bot": False,
        "body": f"/minimize accept {head} because\n/minimize why perl\n/minimize help",
        "action": "created",
        "updated": "2999-01-01T00:00:00Z",
        "url": "u",
    }
    stored_delivery(folder, "issue_comment", comment)
    first = start(folder, head, base, moment)
    first.wait_for(f"hangs {moment}")
    first.kill()
    start(folder, head, base, "nowhere").ended()

    happened = journal(folder)
    assert happened[-1] == "over"
    assert happened.count("answered") == 1
    assert happened.count("reacted") == 1
    # The acceptance was published once: the comment with its reason, and the status.
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
