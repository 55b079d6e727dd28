"""Real metadata of CentOS Stream 9, where it is present beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.distro.snapshot import open_snapshot, repository_file

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")


@pytest.fixture
def snapshot(document, cache):
    urls = [f"file://{DATA}/centos-stream-9-{name}" for name in ("baseos", "appstream")]
    return open_snapshot(document(*urls), "x86_64", cache)


def test_everything_is_what_repomd_says(snapshot):
    for repository in snapshot.repositories:
        for type_ in ("primary", "filelists", "group", "modules"):
            path = repository_file(repository, type_)
            assert (path is None) == (repository.record(type_) is None)
    baseos, appstream = snapshot.state.repositories
    assert (baseos.revision, baseos.timestamp) == ("1644263915", "2022-02-07T19:58:35Z")
    assert (appstream.revision, appstream.timestamp) == ("9-stream", "2025-01-13T09:46:00Z")
