"""Repositories on this machine, and what they may be packed with."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError, UsageError
from tests.conftest import run_python


@pytest.fixture
def repo(tmp_path):
    return tmp_path / "a repo"


@pytest.fixture
def local(repo, document):
    return document(f"file://{repo}".replace(" ", "%20"))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".bz2", ".zst"])
def test_every_packing_is_unpacked(repo, local, cache, make_repository, suffix):
    content = b"<metadata>" + bytes(range(256)) * 9000 + b"</metadata>"
    make_repository(repo, {"primary": content}, suffix=suffix)
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert repository_file(repository, "primary").read_bytes() == content


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_files_of_several_frames_are_unpacked_whole(
    repo, local, cache, make_repository, pack, suffix
):
    make_repository(repo, {"primary": b"onetwo"}, suffix=suffix)
    packed = pack[suffix](b"one") + pack[suffix](b"two")
    repomd = repo / "repodata" / "repomd.xml"
    (old,) = repo.rglob("*primary*")
    text = repomd.read_text().replace(old.name.split("-")[0], hashlib.sha256(packed).hexdigest())
    text = text.replace(f"<size>{old.stat().st_size}<", f"<size>{len(packed)}<")
    repomd.write_text(text)
    old.with_name(f"{hashlib.sha256(packed).hexdigest()}-primary.xml{suffix}").write_bytes(packed)
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert repository_file(repository, "primary").read_bytes() == b"onetwo"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_a_file_that_breaks_off_inside_is_refused(
    repo, local, cache, make_repository, pack, suffix
):
    """Its packed checksum is right: whoever made the repository broke it."""
    content = bytes(range(256)) * 4000
    make_repository(repo, {"primary": content}, suffix=suffix)
    packed = pack[suffix](content)[:-9]
    checksum = hashlib.sha256(packed).hexdigest()
    (old,) = repo.rglob("*primary*")
    repomd = repo / "repodata" / "repomd.xml"
    text = repomd.read_text().replace(old.name.split("-")[0], checksum)
    repomd.write_text(text.replace(f"<size>{old.stat().st_size}<", f"<size>{len(packed)}<"))
    old.with_name(f"{checksum}-primary.xml{suffix}").write_bytes(packed)
    with pytest.raises(RefusedFileError, match="primary"):
        open_snapshot(local, "x86_64", cache)


def test_the_same_content_has_the_same_id_anywhere(tmp_path, document, make_repository):
    ids = set()
    for name in ("one", "two"):
        make_repository(tmp_path / name)
        repo = document(f"file://{tmp_path / name}")
        ids.add(open_snapshot(repo, "x86_64", Cache(tmp_path / f"cache-{name}")).id)
    assert len(ids) == 1
    assert open_snapshot(repo, "aarch64", Cache(tmp_path / "cache-two")).id not in ids


def test_a_change_is_noticed_at_once(repo, local, cache, make_repository):
    make_repository(repo, {"primary": b"<one/>"})
    first = open_snapshot(local, "x86_64", cache)
    # Same size, same second: only the content tells.
    make_repository(repo, {"primary": b"<two/>"})
    second = open_snapshot(local, "x86_64", cache)
    assert first.id != second.id
    assert repository_file(second.repositories[0], "primary").read_bytes() == b"<two/>"


def test_a_warm_cache_is_not_written(repo, local, cache, make_repository):
    make_repository(repo)
    open_snapshot(local, "x86_64", cache)
    before = {p: p.stat().st_mtime_ns for p in cache.root.rglob("*")}
    open_snapshot(local, "x86_64", cache)
    assert {p: p.stat().st_mtime_ns for p in cache.root.rglob("*")} == before


def test_opening_needs_no_metadata_that_was_seen_before(repo, local, cache, make_repository):
    make_repository(repo)
    open_snapshot(local, "x86_64", cache)
    for path in (cache.root / "metadata").rglob("*.open"):
        path.unlink()
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert not list((cache.root / "metadata").rglob("*.open"))
    assert repository_file(repository, "primary").exists()


def test_a_damaged_memory_of_a_repository_is_no_matter(repo, local, cache, make_repository):
    make_repository(repo)
    first = open_snapshot(local, "x86_64", cache)
    (state,) = (cache.root / "repositories").iterdir()
    good = state.read_text()
    for damage in ("", "{", "[]", "{}", good.replace("<", "")):
        state.write_text(damage)
        assert open_snapshot(local, "x86_64", cache) == first


def test_metadata_two_states_ago_is_deleted(repo, local, cache, make_repository):
    """The state before stays: somebody may be working with it."""

    def kept():
        return sorted(p.read_bytes() for p in (cache.root / "metadata").rglob("*.open"))

    for content in (b"1", b"2"):
        make_repository(repo, {"primary": content, "group": b"same"})
        open_snapshot(local, "x86_64", cache)
    assert kept() == [b"1", b"2", b"same"]
    make_repository(repo, {"primary": b"3", "group": b"same"})
    open_snapshot(local, "x86_64", cache)
    assert kept() == [b"2", b"3", b"same"]


def test_a_repository_that_vanishes_leaves_the_last_good_state(repo, local, cache, make_repository):
    make_repository(repo)
    good = open_snapshot(local, "x86_64", cache)
    (repo / "repodata" / "repomd.xml").unlink()
    stale = open_snapshot(local, "x86_64", cache)
    assert stale.id == good.id
    assert "repomd.xml is not there" in stale.repositories[0].stale


def test_a_repository_that_was_never_there_is_an_error(local, cache):
    with pytest.raises(SurroundingsError, match=r"repomd\.xml is not there"):
        open_snapshot(local, "x86_64", cache)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("<size>", "<size>9"), "bytes instead of 9"),
        (lambda t: t.replace('<open-checksum type="sha256">', "<open-checksum>"), "type ``"),
        (lambda t: re.sub(r'(<open-checksum type="sha256">).', r"\1g", t), "is not a number"),
        (lambda t: re.sub(r'(<open-checksum[^>]*>)(.{4})(.)', r"\1\3\2", t), "its content"),
        (lambda t: t.replace("<open-size>", "<open-size>1"), "it unpacks to"),
        (lambda t: t.replace('<checksum type="sha256">', '<checksum type="md5">'), "type `md5`"),
        (lambda t: t.replace('type="primary"', 'type="primary_zck"'), "no primary metadata"),
        (lambda t: t.replace("repodata/", "/etc/"), "not inside the repository"),
        (lambda t: t.replace("repodata/", "file:///etc/"), "not inside the repository"),
        (lambda t: t[:60], "not XML"),
        (lambda t: "<html/>", "not a repomd"),
        (lambda t: t.replace("<repomd", "<!DOCTYPE x [<!ENTITY a 'b'>]><repomd"), "document type"),
        (lambda t: t.replace("<size>", "<size>-"), "is not a number"),
    ],
)  # fmt: skip
def test_a_repomd_that_lies_is_refused(repo, local, cache, make_repository, change, message):
    make_repository(repo, {"primary": b"<metadata/>"}, change=change)
    with pytest.raises(RefusedFileError, match=message):
        open_snapshot(local, "x86_64", cache)


def test_file_lists_with_a_wrong_open_checksum_are_taken_with_a_warning(
    repo, local, cache, make_repository, caplog
):
    """As a CentOS Stream 9 compose has them: their own checksum is right."""
    opened = hashlib.sha256(b"<filelists/>").hexdigest()
    make_repository(
        repo,
        {"primary": b"<metadata/>", "filelists": b"<filelists/>"},
        change=lambda text: text.replace(opened, opened[::-1]),
    )
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert repository_file(repository, "filelists").read_bytes() == b"<filelists/>"
    assert "its own checksum is right" in caplog.text


def test_zchunk_gives_way_to_its_plain_sibling(repo, local, cache, make_repository):
    make_repository(repo, {"primary_zck": b"\0ZCK1 not read", "primary": b"<metadata/>"})
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert repository_file(repository, "primary").read_bytes() == b"<metadata/>"


def test_comps_are_found_in_either_wrapping(repo, local, cache, make_repository):
    make_repository(repo, {"primary": b"<metadata/>", "group_gz": b"<comps/>"})
    (repository,) = open_snapshot(local, "x86_64", cache).repositories
    assert repository.record("group").type == "group_gz"
    assert repository_file(repository, "group").read_bytes() == b"<comps/>"
    assert repository_file(repository, "modules") is None


def test_variables_and_limited_architectures(tmp_path, cache, make_repository, document):
    make_repository(tmp_path / "9" / "aarch64")
    make_repository(tmp_path / "extra")
    both = document(f"file://{tmp_path}/$releasever/${{basearch}}/")
    (snapshot,) = open_snapshot(both, "aarch64", cache).repositories
    assert snapshot.base_urls == (f"file://{tmp_path}/9/aarch64/",)
    assert snapshot.urls("p/x.rpm") == (f"file://{tmp_path}/9/aarch64/p/x.rpm",)
    limited = document(f"file://{tmp_path}/extra", limit_arches=("x86_64",))
    assert open_snapshot(limited, "aarch64", cache).repositories == ()
    with pytest.raises(UsageError, match="no architecture `s390x`"):
        open_snapshot(limited, "s390x", cache)


def test_opening_a_local_snapshot_imports_nothing_heavy(repo, local, cache, make_repository):
    """The cold command's budget: a warm cache needs no HTTP, no YAML, no schema."""
    make_repository(repo)
    open_snapshot(local, "x86_64", cache)
    program = (
        "import sys; from pathlib import Path; from bot.distro.cache import Cache;"
        "from bot.distro.documents import RepositoryDocument, RepoSource;"
        "from bot.distro.snapshot import open_snapshot;"
        f"url = {local.repos[0].baseurl[0]!r};"
        "d = RepositoryDocument('d','D','','','9',('x86_64',),(RepoSource('r1','R1',(url,)),));"
        f"open_snapshot(d, 'x86_64', Cache(Path({str(cache.root)!r})));"
        "heavy = {'urllib3','pydantic','yaml','zstandard','concurrent','logging','pysequoia'};"
        "print(sorted(heavy & {m.partition('.')[0] for m in sys.modules}))"
    )
    assert run_python(program).stdout.strip() == "[]"


DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")


@real
def test_a_snapshot_of_real_metadata_is_what_repomd_says(document, cache):
    urls = [f"file://{DATA}/centos-stream-9-{name}" for name in ("baseos", "appstream")]
    snapshot = open_snapshot(document(*urls), "x86_64", cache)
    for repository in snapshot.repositories:
        for type_ in ("primary", "filelists", "group", "modules"):
            path = repository_file(repository, type_)
            assert (path is None) == (repository.record(type_) is None)
    baseos, appstream = snapshot.state.repositories
    assert (baseos.revision, baseos.timestamp) == ("1644263915", "2022-02-07T19:58:35Z")
    assert (appstream.revision, appstream.timestamp) == ("9-stream", "2025-01-13T09:46:00Z")
