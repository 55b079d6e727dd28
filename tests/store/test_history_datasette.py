"""The store's file in Datasette: every table and view is a page that can be read and followed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.store.two_runs import track_twice


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Datasette answers on two runs of one image."""
    root = tmp_path_factory.mktemp("datasette")
    track_twice(root)
    script = Path(__file__).with_name("asks_datasette.py")
    done = subprocess.run(
        [sys.executable, script, root / "data" / "minimize.sqlite"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_table_and_view_is_a_page_with_its_rows(answers: dict[str, Any]) -> None:
    names = set(answers["tables"]) | set(answers["views"])
    assert {"images", "runs", "image_history", "image_contents", "step_causes"} <= names
    assert "objective_history" in names
    assert set(answers["pages"].values()) == {200}, answers["pages"]
    assert all(isinstance(rows, list) for rows in answers["rows"].values())
    history = answers["rows"]["image_history"]
    assert [(row["workload"], row["packages"]) for row in history] == [("app", 1), ("app", 2)]


def test_a_reference_is_shown_by_the_name_of_what_it_leads_to(answers: dict[str, Any]) -> None:
    labels = {
        value["label"]
        for rows in answers["rows"].values()
        for row in rows
        for value in row.values()
        if isinstance(value, dict) and "label" in value
    }
    assert {"app on env, repo, x86_64", "lib", "small"} <= labels
