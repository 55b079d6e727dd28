"""Detached OpenPGP signatures of repomd.xml, checked with Sequoia."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.distro.unpack import RefusedFileError
from bot.errors import SurroundingsError

if TYPE_CHECKING:
    import pysequoia

MAX_KEY = 1_000_000
MAX_SIGNATURE = 100_000


# The binding raises anyhow's errors as plain Exception, with a stack trace of Rust below.
_SEQUOIA_ERRORS = Exception


def verify_detached(
    name: str, content: bytes, signature: bytes, keys: Sequence[tuple[str, bytes]]
) -> None:
    """Raises RefusedFileError, naming `name`, unless one of `keys` signed `content`.

    `keys` are where each key file comes from and its content, armored or not, with one key or many.
    Of several signatures one good one is enough, as rpm and gpgv have it.
    """
    import pysequoia
    from pysequoia.packet import PacketPile

    certificates = [certificate for url, key in keys for certificate in _certificates(url, key)]
    why = "it is no signature"
    try:
        packets = list(PacketPile.from_bytes(signature))
    except _SEQUOIA_ERRORS as error:
        packets, why = [], _first_line(error)
    for packet in packets:
        try:
            pysequoia.verify(
                bytes=content,
                store=lambda _ids: certificates,
                signature=pysequoia.Sig.from_bytes(bytes(packet)),
            )
        except _SEQUOIA_ERRORS as error:
            why = _first_line(error)
        else:
            return
    raise RefusedFileError(name, f"its signature is not one of the keys configured ({why})")


def _certificates(url: str, key: bytes) -> list[pysequoia.Cert]:
    import pysequoia

    try:
        return pysequoia.Cert.split_bytes(key)
    except _SEQUOIA_ERRORS as error:
        raise SurroundingsError(f"{url} is no OpenPGP key: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
