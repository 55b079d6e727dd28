"""A history that an earlier release wrote keeps its merged changes, and their numbers."""

from pathlib import Path

from bot.store import open_store
from bot.store.history import MergedChange, open_history
from bot.store.history.schema import history_migrations


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
    found = history.merged_change(41)
    assert found is not None
    assert (found.number, dict(found.sources), found.documents) == (7, {"nginx": "1-2"}, ())
    assert [effect.evidence for effect in found.effects] == ["rebuilt"]
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
