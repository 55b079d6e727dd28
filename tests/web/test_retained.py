"""The bytes that packages retain over all images, computed once for each closure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.store.history.history import History, open_history
from bot.web.responses import archive as module
from bot.web.responses.archive import Archive, retained_of_images
from tests.web.seeded import seed


@pytest.fixture
def history(tmp_path) -> Iterator[History]:
    opened = open_history(tmp_path)
    seed(opened, days=5)
    yield opened
    opened.close()
    opened.store.close()


def test_many_images_are_computed_beside_the_pages_and_not_by_them(history, monkeypatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    archive = Archive(history.store, history)
    assert archive.retained() is None
    archive.warm()
    found = archive.retained()
    assert found is not None and found["glibc"].images == 16


def test_only_images_whose_closure_changed_are_computed_again(history, monkeypatch) -> None:
    every = history.latest_evaluations()
    first = retained_of_images(history, every, {})
    assert set(first) == set(every)
    read = []
    contents = history.contents
    monkeypatch.setattr(history, "contents", lambda key: read.append(key) or contents(key))
    moved = next(iter(first))
    known = {key: one for key, one in first.items() if key != moved}
    assert retained_of_images(history, every, known) == first
    assert read == [moved]
