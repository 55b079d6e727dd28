"""comps groups."""

from __future__ import annotations

import pytest

from bot.distro import CompsGroup, RefusedFileError, comps_groups, open_snapshot


@pytest.fixture
def snapshot(tmp_path, make_repository, document, cache):
    def make(*contents: bytes):
        urls = []
        for n, content in enumerate(contents):
            make_repository(tmp_path / str(n), {"primary": b"<metadata/>", "group": content})
            urls.append(f"file://{tmp_path}/{n}")
        return open_snapshot(document(*urls), "x86_64", cache)

    return make


def test_members_of_a_group(snapshot, comps):
    groups = comps_groups(snapshot(comps))
    core = CompsGroup("core", "Core", ("bash",), ("vim",), ("emacs",), (("gedit", "gtk3"),))
    assert groups == {"core": core}
    assert core.members == ("bash", "vim")


def test_a_group_in_two_repositories_has_the_members_of_both(snapshot, comps):
    groups = comps_groups(snapshot(comps, comps.replace(b"vim", b"nano")))
    assert groups["core"].members == ("bash", "vim", "nano")


def test_broken_comps_are_refused_by_name(snapshot):
    with pytest.raises(RefusedFileError, match="comps of r1"):
        comps_groups(snapshot(b"<comps>"))
