"""A history that an earlier release wrote keeps its merged changes, and their numbers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.model.image import ImageKey
from bot.store.history.history import open_history
from bot.store.history.schema import history_migrations
from bot.store.history.values import MergedChange
from bot.store.store import open_store


def test_merged_changes_of_before_keep_their_numbers_and_effects(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing() as db:
        history_migrations.apply(db, stop_before="h007_landed")
        db.execute(
            "insert into images (id, workload, environment, repository, arch)"
            " values (1, 'w', 'e', 'r', 'x86_64')"
        )
        db.execute(
            "insert into merged_changes (id, forge, repository, number, title, author, url,"
            " head_sha, merged, sources) values (41, 'gh', 'o/r', 7, 't', 'ann', 'https://f/7',"
            """ 'a', '2026-01-01T00:00:00Z', '{"nginx": "1-2"}')"""
        )
        db.execute(
            "insert into merged_effects (change, image, evidence, names)"
            " values (41, 1, 'rebuilt', '{}')"
        )
    history = open_history(store)
    change = history.merged_change(41)
    assert change is not None
    assert (change.number, dict(change.sources), change.documents) == (7, {"nginx": "1-2"}, ())
    assert [effect.evidence for effect in change.effects] == ["rebuilt"]
    assert history.rows("select * from step_causes") == []

    # A repeat of the same pull request is the same row, of the same commit as well.
    again = MergedChange("gh", "o/r", 7, "t2", "ann", "u", "a", "x", None)
    assert history.recorder.record_merged(again) == 41
    pushed = MergedChange(
        "gh", "o/r", None, "p", "ann", "u", "b", "x", None, commit_sha="b", branch="main"
    )
    first = history.recorder.record_merged(pushed)
    assert history.recorder.record_merged(pushed) == first != 41
    other = MergedChange(
        "gh", "o/r", None, "p", "ann", "u", "b", "x", None, commit_sha="b", branch="c9s"
    )
    assert history.recorder.record_merged(other) not in (41, first)
    history.close()
    store.close()


_TOLD = {
    "h001_images": """
        insert into runs (id, started, finished, images, solved, moved, failed) values
            (1, '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', 1, 1, 0, '[]'),
            (2, '2026-01-02T00:00:00Z', '2026-01-02T00:01:00Z', 1, 1, 1, '[]');
        insert into images (id, workload, environment, repository, arch)
            values (1, 'w', 'e', 'r', 'x86_64');
        insert into snapshots (id, digest, repository, arch, repositories, first_run)
            values (1, 'd', 'r', 'x86_64', '[]', 1);
        insert into closures (id, image, digest, status, packages, installed_size, known_size,
            requests) values (1, 1, 'a', 'ok', 1, 10, 10, '["lib"]'),
            (2, 1, 'b', 'ok', 1, 25, 25, '["lib"]');
        insert into evaluations (image, run, snapshot, closure) values (1, 1, 1, 1), (1, 2, 1, 2);
        insert into packages (id, name, epoch, version, release, arch, source, repository,
            installed_size) values (1, 'lib', 0, '1', '1', 'noarch', 'lib', 'base', 10),
            (2, 'lib', 0, '2', '1', 'noarch', 'lib', 'base', 25);
        insert into image_packages (image, package, from_run, until_run, requested)
            values (1, 1, 1, 2, 1), (1, 2, 2, null, 1)
    """,
    "h003_steps": """
        insert into merged_changes (id, forge, repository, number, title, author, url, head_sha,
            merged, sources) values (41, 'gh', 'o/r', 7, 't', 'ann', 'https://f/7', 'a',
            '2026-01-01T12:00:00Z', '{"lib": "2-1"}');
        insert into steps (image, run, before_closure, after_closure, delta, known_delta)
            values (1, 2, 1, 2, 15, 15);
        insert into causes (image, run, position, package, change, before_package, after_package,
            delta, known_delta, kind, merged_change)
            values (1, 2, 0, 'lib', 'changed', 1, 2, 15, 15, 'pull request', 41)
    """,
    "h004_objectives": """
        insert into objectives (id, name, description, maintainer, workload, document, first_run)
            values ('small', 'stays small', 'd', 'm', 'w', '{}', 1);
        insert into objective_values (objective, image, metric, from_run, until_run, value, "limit",
            met) values ('small', 1, 'installed_size', 1, 2, 10, 20, 1),
            ('small', 1, 'installed_size', 2, null, 25, 20, 0)
    """,
}


def _readable(statement: str) -> str:
    """The statement as releases since h009_readable write it."""
    return (
        statement.replace("digest, repository, arch", "digest, repository_document, arch")
        .replace("objectives (id, name", "objectives (id, subject, name")
        .replace("('small', 'stays small'", "('small', 'small', 'stays small'")
    )


def _migrations() -> list[str]:
    with closing(sqlite3.connect(":memory:")) as empty:
        return [migration.name for migration in history_migrations.pending(Database(empty))]


@pytest.mark.parametrize("newer", _migrations()[1:])
def test_the_history_of_each_older_release_is_read_after_it_is_brought_up_to_date(
    tmp_path: Path, newer: str
) -> None:
    store = open_store(tmp_path)
    with store.writing() as db:
        history_migrations.apply(db, stop_before=newer)
        for since, script in _TOLD.items():
            for statement in script.split(";") if since < newer else ():
                db.execute(_readable(statement) if newer > "h009_readable" else statement)
    history = open_history(store)
    key = ImageKey("w", "e", "r", "x86_64")
    evaluation = history.evaluation(key)
    assert evaluation is not None
    assert (evaluation.snapshot.id, evaluation.facts.installed_size) == ("d", 25)
    assert [str(m.nevra) for m in history.contents(key).members] == ["lib-0:2-1.noarch"]
    assert [p.installed_size for p in history.history(key)] == [10, 25]
    if newer > "h003_steps":
        (step,) = history.steps(key)
        assert [(c.package, c.delta, c.merged_change) for c in step.causes] == [("lib", 15, 41)]
    if newer > "h004_objectives":
        assert [(h.id, h.subject) for h in history.objective_headings()] == [("small", "small")]
        assert [s.value for s in history.objective_history("small")] == [10, 25]
    for view in ("image_history", "image_contents", "step_causes", "objective_history"):
        assert history.rows(f"select * from {view}") or newer <= "h004_objectives"
    (snapshot,) = history.rows("select name, repository_document from snapshots")
    assert snapshot == {"name": "r, x86_64, d", "repository_document": "r"}
    history.close()
    store.close()
