"""repomd.xml.asc: verified where a key is configured."""

from __future__ import annotations

import pysequoia
import pytest

from bot.distro.failover import RefusedFileError
from bot.distro.snapshot import open_snapshot
from bot.errors import SurroundingsError


@pytest.fixture(scope="module")
def signer():
    return pysequoia.Tsk.generate("Packager <p@example.org>")


def certificate(tsk) -> bytes:
    return str(tsk.extract_certificate()).encode()


def sign(tsk, content: bytes) -> bytes:
    return pysequoia.sign(tsk.signer(), content, mode=pysequoia.SignatureMode.DETACHED)


@pytest.fixture
def repo(tmp_path, make_repository):
    root = tmp_path / "r"
    content = make_repository(root)
    return root, content, root / "repodata" / "repomd.xml.asc"


@pytest.fixture
def keyed(tmp_path, document, repo, signer):
    (tmp_path / "key").write_bytes(certificate(signer))

    def make(**fields):
        return document(f"file://{repo[0]}", gpgkey=(f"file://{tmp_path}/key",), **fields)

    return make


def test_a_signed_repository_is_verified(repo, keyed, cache, signer):
    repo[2].write_bytes(sign(signer, repo[1]))
    (repository,) = open_snapshot(keyed(), "x86_64", cache).repositories
    assert repository.signed
    assert open_snapshot(keyed(), "x86_64", cache).repositories[0].signed


def test_one_of_several_keys_is_enough(tmp_path, repo, keyed, cache, signer):
    other = pysequoia.Tsk.generate("Other <o@example.org>")
    (tmp_path / "key").write_bytes(certificate(other) + certificate(signer))
    repo[2].write_bytes(sign(signer, repo[1]))
    assert open_snapshot(keyed(), "x86_64", cache).repositories[0].signed


def test_one_of_several_signatures_is_enough(repo, keyed, cache, signer):
    other = pysequoia.Tsk.generate("Other <o@example.org>")
    both = [bytes(pysequoia.Sig.from_bytes(sign(tsk, repo[1]))) for tsk in (other, signer)]
    repo[2].write_bytes(b"".join(both))
    assert open_snapshot(keyed(), "x86_64", cache).repositories[0].signed


def test_a_key_that_cannot_be_had_leaves_the_others(tmp_path, repo, document, cache, signer):
    (tmp_path / "key").write_bytes(certificate(signer))
    repo[2].write_bytes(sign(signer, repo[1]))
    keys = (f"file://{tmp_path}/gone", f"file://{tmp_path}/key")
    signed = document(f"file://{repo[0]}", gpgkey=keys)
    assert open_snapshot(signed, "x86_64", cache).repositories[0].signed
    unsigned = document(f"file://{repo[0]}", gpgkey=keys[:1])
    with pytest.raises(SurroundingsError, match="gone is not there"):
        open_snapshot(unsigned, "x86_64", cache)


@pytest.mark.parametrize("what", ["other key", "other content", "no signature"])
def test_a_wrong_signature_is_refused_by_name(repo, keyed, cache, signer, what):
    other = pysequoia.Tsk.generate("Other <o@example.org>")
    signature = {
        "other key": sign(other, repo[1]),
        "other content": sign(signer, repo[1] + b" "),
        "no signature": b"hello",
    }[what]
    repo[2].write_bytes(signature)
    with pytest.raises(
        RefusedFileError, match=r"repomd\.xml is refused: it is not signed"
    ) as error:
        open_snapshot(keyed(), "x86_64", cache)
    assert "\n" not in str(error.value)


def test_an_unsigned_repository_is_taken_unless_told_otherwise(repo, keyed, cache):
    assert not open_snapshot(keyed(), "x86_64", cache).repositories[0].signed
    with pytest.raises(RefusedFileError, match="repo_gpgcheck"):
        open_snapshot(keyed(repo_gpgcheck=True), "x86_64", cache)


def test_a_key_that_is_none_is_named(tmp_path, repo, keyed, cache, signer):
    repo[2].write_bytes(sign(signer, repo[1]))
    (tmp_path / "key").write_text("not a key")
    with pytest.raises(SurroundingsError, match=r"/key is no OpenPGP key"):
        open_snapshot(keyed(), "x86_64", cache)


def test_without_a_key_nothing_is_verified(repo, document, cache):
    repo[2].write_bytes(b"rubbish")
    snapshot = open_snapshot(document(f"file://{repo[0]}"), "x86_64", cache)
    assert not snapshot.repositories[0].signed


def test_a_repository_that_was_signed_does_not_go_unsigned(
    repo, keyed, make_repository, cache, signer
):
    root, content, signature = repo
    signature.write_bytes(sign(signer, content))
    (before,) = open_snapshot(keyed(), "x86_64", cache).repositories
    signature.unlink()
    make_repository(root, timestamp=1_800_000_000)
    (after,) = open_snapshot(keyed(), "x86_64", cache).repositories
    assert (after.signed, after.repomd_checksum) == (True, before.repomd_checksum)
    assert "no signature, and the one before it had" in (after.stale or "")


def test_metadata_that_was_replaced_does_not_come_back(repo, document, make_repository, cache):
    root, _, _ = repo
    make_repository(root, timestamp=1_800_000_000)
    here = document(f"file://{root}")
    (newer,) = open_snapshot(here, "x86_64", cache).repositories
    make_repository(root, timestamp=1_700_000_000)
    (kept,) = open_snapshot(here, "x86_64", cache).repositories
    assert kept.repomd_checksum == newer.repomd_checksum
    assert "it is of 2023-11-14T22:13:20Z, and one of 2027-01-15T08:00:00Z was seen before" in (
        kept.stale or ""
    )
    make_repository(root, timestamp=1_900_000_000)
    (latest,) = open_snapshot(here, "x86_64", cache).repositories
    assert latest.repomd_checksum != newer.repomd_checksum
    assert latest.stale is None
