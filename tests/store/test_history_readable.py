"""The store's file as others open it: sqlite-utils, Datasette, sqlite3."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.objectives.worlds import Thing, World


def track_twice(root: Path) -> None:
    """Record both runs, with an objective, in the data below a folder."""
    world = World(root)
    world.workload("app", "lib")
    world.objective("small", "app", "limits: {packages: 1}")
    with world.history() as history:
        world.publish(Thing("lib"))
        world.track(history)
        world.publish(Thing("lib", 2, 25, ("extra",)), Thing("extra", 1, 100))
        world.track(history)


@pytest.fixture
def db(tmp_path: Path):
    """Two runs: `lib` grows, and `extra` comes with it."""
    track_twice(tmp_path)
    opened = Database(tmp_path / "data" / "minimize.sqlite")
    yield opened
    opened.close()


def test_views_say_it_in_names(db: Database) -> None:
    places = {"workload": "app", "environment": "env", "repository": "repo", "arch": "x86_64"}
    history = list(db["image_history"].rows_where(order_by="evaluated"))
    assert [(row["packages"], row["installed_size"]) for row in history] == [(1, 10), (2, 125)]
    contents = list(db["image_contents"].rows)
    now = {(row["name"], row["version"]) for row in contents if row["until"] is None}
    assert now == {("lib", "2"), ("extra", "1")}
    (past,) = (row for row in contents if row["until"] is not None)
    assert (past["name"], past["version"]) == ("lib", "1")
    assert (past["since"], past["until"]) == tuple(row["evaluated"] for row in history)
    causes = {row["package"]: row for row in db["step_causes"].rows}
    assert {name: (row["change"], row["delta"], row["step"]) for name, row in causes.items()} == {
        "lib": ("changed", 15, 115),
        "extra": ("came", 100, 115),
    }
    objectives = list(db["objective_history"].rows_where(order_by="since"))
    told = [(r["objective"], r["metric"], r["value"], r["limit"], r["state"]) for r in objectives]
    assert told == [("small", "packages", 1, 1, "met"), ("small", "packages", 2, 1, "broken")]
    assert objectives[0]["until"] == objectives[1]["since"] == history[1]["evaluated"]
    for row in (*history, *contents, *causes.values(), *objectives):
        assert {name: row[name] for name in places} == places


def test_every_reference_leads_to_a_row(db: Database) -> None:
    found = 0
    for name in db.table_names():
        for key in db[name].foreign_keys:
            lost = db.query(
                f"select count(*) as n from [{name}] where [{key.column}] is not null and"
                f" [{key.column}] not in (select [{key.other_column}] from [{key.other_table}])"
            )
            assert next(iter(lost))["n"] == 0, key
            found += db[name].count
    assert found > 20
    numbers = {"image", "run", "closure", "snapshot", "from_run", "until_run", "first_run"}
    numbers |= {"gone_run", "landed_run", "merged_change"}
    for name in db.table_names():
        linked = {key.column for key in db[name].foreign_keys}
        assert numbers & set(db[name].columns_dict) <= linked, name


def test_a_row_that_others_link_to_has_a_name(db: Database) -> None:
    for table, name in (
        ("images", "app on env, repo, x86_64"),
        ("closures", "1 packages, 0.0 MB"),
        ("objectives", "small"),
        ("packages", "lib"),
    ):
        (row,) = db.query(f"select name from [{table}] where rowid = 1")
        assert row["name"] == name
    (run,) = db.query("select name, started from runs where id = 1")
    assert run["name"] == run["started"][:16].replace("T", " ") + " UTC"
    (snapshot,) = db.query("select name from snapshots where id = 1")
    assert snapshot["name"].startswith("repo, x86_64, ")


def test_times_are_rfc_3339_in_utc(db: Database) -> None:
    for table, columns in {
        "runs": ("started", "finished"),
        "image_history": ("evaluated",),
    }.items():
        for row in db[table].rows:
            for column in columns:
                read = datetime.fromisoformat(row[column])
                assert read.tzinfo == UTC and row[column].endswith("Z")


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
