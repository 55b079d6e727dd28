"""What a build sees, and how its content is named."""

import pytest

from bot.build.fetch import wanted_sources
from bot.build.tree import spec_tree
from bot.model.spec import SpecSource
from bot.spec.tree import SourcesError

SPEC = "Name: a\nSource0: a.conf\n%include extra.inc\n"


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "a.spec").write_text(SPEC)
    (tmp_path / "a.conf").write_text("conf")
    (tmp_path / "extra.inc").write_text("# also list.txt\n")
    (tmp_path / "list.txt").write_text("one")
    (tmp_path / "README.md").write_text("words")
    return tmp_path


def tree(checkout):
    wanted = wanted_sources(checkout, "a.spec", (SpecSource("Source0", "a.conf"),))
    return spec_tree(checkout, "a.spec", wanted, {})


def test_sources_and_mentioned_files_are_seen_and_others_are_not(checkout):
    assert set(tree(checkout).files) == {"a.conf", "extra.inc", "list.txt"}


def test_the_key_moves_with_what_is_seen_only(checkout):
    before = tree(checkout).key()
    (checkout / "README.md").write_text("other words")
    assert tree(checkout).key() == before
    (checkout / "list.txt").write_text("two")
    assert tree(checkout).key() != before


def test_the_key_moves_with_the_spec_and_with_a_mode(checkout):
    before = tree(checkout).key()
    (checkout / "a.conf").chmod(0o755)
    with_mode = tree(checkout).key()
    assert with_mode != before
    (checkout / "a.spec").write_text(SPEC + "# more\n")
    assert tree(checkout).key() not in {before, with_mode}


def test_the_directory_of_a_build_has_copies(checkout, tmp_path_factory):
    directory = tmp_path_factory.mktemp("top")
    tree(checkout).put_into(directory / "SPECS", directory / "SOURCES")
    assert (directory / "SPECS/a.spec").read_text() == SPEC
    assert (directory / "SOURCES/a.conf").read_text() == "conf"
    assert not (directory / "SOURCES/a.conf").is_symlink()


def test_a_missing_spec_is_said(tmp_path):
    with pytest.raises(SourcesError, match=r"b\.spec"):
        spec_tree(tmp_path, "b.spec", (), {})
