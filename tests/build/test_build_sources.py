"""Where sources come from, what is refused, and what a build sees of its tree."""

import json

import pytest

from bot.build.fetch import lookaside_url, wanted_sources
from bot.build.tree import spec_tree
from bot.model.spec import SpecSource
from bot.spec.tree import LookasideFile, SourcesError, read_lists

SHA512 = "ab" * 64
MD5 = "0123456789abcdef0123456789abcdef"


def test_both_formats_of_the_sources_file_are_read(tmp_path):
    (tmp_path / "sources").write_text(f"SHA512 (nginx-1.26.tar.gz) = {SHA512}\n{MD5}  old.tar.gz\n")
    assert read_lists(tmp_path) == {
        "nginx-1.26.tar.gz": LookasideFile("nginx-1.26.tar.gz", "sha512", SHA512),
        "old.tar.gz": LookasideFile("old.tar.gz", "md5", MD5),
    }


def test_centos_metadata_and_azure_signatures_are_read(tmp_path):
    (tmp_path / ".nginx.metadata").write_text(f"{'a' * 40} SOURCES/nginx.tar.gz\n")
    signatures = {"Signatures": {"zlib.tar.xz": "F" * 64}}
    (tmp_path / "nginx.signatures.json").write_text(json.dumps(signatures))
    listed = read_lists(tmp_path)
    assert listed["nginx.tar.gz"] == LookasideFile("nginx.tar.gz", "sha1", "a" * 40)
    assert listed["zlib.tar.xz"] == LookasideFile("zlib.tar.xz", "sha256", "f" * 64)


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "a\tb"])
def test_a_listed_name_that_leaves_the_directory_is_refused(tmp_path, name):
    (tmp_path / "sources").write_text(f"SHA512 ({name}) = {SHA512}\n")
    with pytest.raises(SourcesError, match="file name"):
        read_lists(tmp_path)


def test_a_line_of_no_known_form_is_refused_with_its_place(tmp_path):
    (tmp_path / "sources").write_text(f"{MD5}  a.tar.gz\nwhat is this\n")
    with pytest.raises(SourcesError, match=r"sources:2"):
        read_lists(tmp_path)


def test_the_file_beside_the_spec_wins_then_the_lookaside_then_the_url(tmp_path):
    (tmp_path / "nginx.spec").write_text("")
    (tmp_path / "nginx.conf").write_text("worker_processes 1;")
    (tmp_path / "sources").write_text(f"SHA512 (nginx.tar.gz) = {SHA512}\n")
    conf, tarball, patch = wanted_sources(
        tmp_path,
        "nginx.spec",
        (
            SpecSource("Source1", "nginx.conf"),
            SpecSource("Source0", "https://nginx.org/download/nginx.tar.gz"),
            SpecSource("Patch0", "https://example.org/get?id=7#/fix.patch"),
        ),
    )
    assert conf.local == tmp_path / "nginx.conf"
    assert conf.url is None
    assert (tarball.name, tarball.listed.checksum) == ("nginx.tar.gz", SHA512)
    assert tarball.url == "https://nginx.org/download/nginx.tar.gz"
    assert (patch.name, patch.listed) == ("fix.patch", None)


def test_a_source_that_is_nowhere_is_named(tmp_path):
    (tmp_path / "nginx.spec").write_text("")
    with pytest.raises(SourcesError, match=r"Source1 of nginx.spec: nginx.conf"):
        wanted_sources(tmp_path, "nginx.spec", (SpecSource("Source1", "nginx.conf"),))


def test_a_link_out_of_the_repository_is_refused_and_one_inside_is_followed(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "secret").write_text("password")
    (checkout / "real.conf").write_text("yes")
    (checkout / "good.conf").symlink_to("real.conf")
    (checkout / "bad.conf").symlink_to("../secret")
    (good,) = wanted_sources(checkout, "a.spec", (SpecSource("Source0", "good.conf"),))
    assert good.local == checkout / "real.conf"
    with pytest.raises(SourcesError, match="link out of the repository"):
        wanted_sources(checkout, "a.spec", (SpecSource("Source0", "bad.conf"),))


def test_the_lookaside_template_is_filled():
    listed = LookasideFile("a b.tar.gz", "sha512", SHA512)
    assert lookaside_url(
        "https://x/rpms/{name}/{file}/{hashtype}/{hash}/{file}", "gtk+", listed
    ) == (f"https://x/rpms/gtk%2B/a%20b.tar.gz/sha512/{SHA512}/a%20b.tar.gz")


@pytest.mark.parametrize(
    "template",
    [
        "file:///etc/{file}",
        "https://x/{file.__class__}",
        "https://x/{secret}",
        "https://x/{file:>9}",
    ],
)
def test_a_lookaside_template_with_other_fields_is_refused(template):
    with pytest.raises(SourcesError, match="lookaside"):
        lookaside_url(template, "nginx", LookasideFile("a", "md5", MD5))


def test_specs_may_lie_in_specs_and_sources_beside_them(tmp_path):
    for name in ("SPECS", "SOURCES"):
        (tmp_path / name).mkdir()
    (tmp_path / "SOURCES/a.conf").write_text("conf")
    (tmp_path / ".a.metadata").write_text(f"{'a' * 40} SOURCES/a.tar.gz\n")
    conf, tarball = wanted_sources(
        tmp_path,
        "SPECS/a.spec",
        (SpecSource("Source1", "a.conf"), SpecSource("Source0", "a.tar.gz")),
    )
    assert conf.local == tmp_path / "SOURCES/a.conf"
    assert tarball.listed.algorithm == "sha1"


def test_signatures_nested_without_end_are_refused_and_not_a_crash(tmp_path):
    (tmp_path / "nginx.signatures.json").write_text("[" * 100_000)
    with pytest.raises(SourcesError, match=r"nginx\.signatures\.json is not a list"):
        read_lists(tmp_path)


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
