"""Detached OpenPGP signatures of repomd.xml, checked with Sequoia."""

from __future__ import annotations

from collections.abc import Sequence

from bot.distro.unpack import RefusedFileError
from bot.errors import SurroundingsError

MAX_KEY = 1_000_000
MAX_SIGNATURE = 100_000


def verify_detached(
    name: str, content: bytes, signature: bytes, keys: Sequence[tuple[str, bytes]]
) -> None:
    """Raises RefusedFileError, naming `name`, unless one of `keys` signed `content`.

    `keys` are where each key file comes from and its content, armored or not, with one key or many.
    """
    import pysequoia

    certificates = []
    for url, key in keys:
        try:
            certificates += pysequoia.Cert.split_bytes(key)
        except Exception as error:  # the binding raises anyhow's plain Exception
            raise SurroundingsError(f"{url} is no OpenPGP key: {error}.") from error
    if not certificates:
        raise SurroundingsError(f"No OpenPGP key is in {', '.join(url for url, _ in keys)}.")
    try:
        pysequoia.verify(
            bytes=content,
            store=lambda _ids: certificates,
            signature=pysequoia.Sig.from_bytes(signature),
        )
    except Exception as error:  # as above
        why = f"its signature is not one of the keys configured ({error})"
        raise RefusedFileError(name, why) from error
