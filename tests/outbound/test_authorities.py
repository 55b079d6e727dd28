"""The certificate authorities: the system's, and the operator's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.outbound.authorities import CA_VARIABLE, authorities_file, tls_context, trust_also
from tests.distro.servers import Authority, make_authority


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv(CA_VARIABLE, "")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return make_authority(tmp_path / "ca")


def names(context) -> set[str]:
    return {
        dict(pair[0] for pair in c["subject"]).get("commonName") for c in context.get_ca_certs()
    }


def test_own_authorities_stand_beside_the_system_s(authority: Authority) -> None:
    system = names(tls_context())
    trust_also(authority.certificate)
    assert names(tls_context()) == system | {"root"}


def test_a_file_that_changes_counts_from_the_next_connection_on(
    authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "own.pem"
    file.write_bytes(authority.certificate.read_bytes())
    trust_also(file)
    before = tls_context()
    assert tls_context() is before
    other = make_authority(tmp_path / "other").certificate
    file.write_bytes(other.read_bytes())
    os.utime(file, ns=(1, 1))
    assert tls_context() is not before


def test_a_program_is_given_a_file_of_both(authority: Authority) -> None:
    assert authorities_file() is None
    trust_also(authority.certificate)
    file = authorities_file()
    assert file is not None
    assert file.read_bytes().rstrip().endswith(authority.certificate.read_bytes().rstrip())


def test_a_file_without_certificates_is_named(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.pem cannot be used: No such file"):
        trust_also(tmp_path / "nowhere.pem")
    (tmp_path / "empty.pem").write_text("nothing\n")
    with pytest.raises(UsageError, match=r"empty\.pem cannot be used"):
        trust_also(tmp_path / "empty.pem")
