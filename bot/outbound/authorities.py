"""The trusted certificate authorities: the system's, and those of MINIMIZE_CA_FILE. The system's
are those of its package ca-certificates, to which administrators may add private ones; `requests`
alone would trust certifi's.

The variable, or `ca_file` of the settings, adds more for this program.

truststore (PyPI) was weighed in November 2026: on Linux it chooses OpenSSL's files as this module
does, and holds a lock during handshakes, so that a server that hangs blocks all others.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

from bot.errors import UsageError

CA_VARIABLE = "MINIMIZE_CA_FILE"
# Debian and SUSE; Fedora and RHEL, new and old; Alpine: the bundles of ca-certificates.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def trust_also(file: Path | None) -> None:
    """Let this process, and those that it starts, also trust the authorities in a PEM file.

    Null keeps the environment's. UsageError if it cannot be read.
    """
    if file is not None:
        os.environ[CA_VARIABLE] = str(file)
    tls_context()


def tls_context() -> ssl.SSLContext:
    """The TLS context that verifies servers' certificates; UsageError if MINIMIZE_CA_FILE cannot be
    used. It is cached until a file of authorities changes."""
    return _context(_own(), _system())


def new_tls_context() -> ssl.SSLContext:
    """A new TLS context, to which a client's certificate may be added."""
    return _make_context(_own(), _system())


def authorities_file() -> Path | None:
    """A file of all trusted authorities, for programs that take one; null if only the system's are
    trusted. The file has no name, and exists while this process does."""
    own = _own()
    if own is None and "SSL_CERT_FILE" not in os.environ:
        return None
    return Path(f"/proc/{os.getpid()}/fd/{_descriptor(own, _system(), os.getpid())}")


def own_authorities() -> Path | None:
    """The absolute path of MINIMIZE_CA_FILE, or null."""
    path = os.environ.get(CA_VARIABLE)
    return Path(path).resolve() if path else None


# Paths of files, with their modification times.
_Stamped = tuple[str, int]


def _own() -> _Stamped | None:
    path = os.environ.get(CA_VARIABLE)
    if not path:
        return None
    try:
        return path, Path(path).stat().st_mtime_ns
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None


def _system() -> _Stamped | None:
    """The file of the system's authorities, or of SSL_CERT_FILE; null if there is none."""
    paths = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    bundle = next((path for path in paths if path and Path(path).is_file()), None)
    return None if bundle is None else (bundle, Path(bundle).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _context(own: _Stamped | None, system: _Stamped | None) -> ssl.SSLContext:
    return _make_context(own, system)


def _make_context(own: _Stamped | None, system: _Stamped | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An intermediate authority may be a trust anchor, as in browsers and Python 3.13.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_default_verify_paths()
    if system is not None:
        context.load_verify_locations(cafile=system[0])
    if own is not None:
        try:
            context.load_verify_locations(cafile=own[0])
        except (OSError, ssl.SSLError) as error:
            raise _unusable(own[0], error.strerror or str(error)) from None
    return context


@lru_cache(maxsize=4)
def _descriptor(own: _Stamped | None, system: _Stamped | None, pid: int) -> int:
    """The descriptor of a nameless file with both, opened in the process `pid`."""
    del pid
    descriptor = os.memfd_create("minimize-authorities")
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        for bundle in (system, own):
            if bundle is not None:
                file.write(Path(bundle[0]).read_bytes() + b"\n")
    return descriptor


def _unusable(path: str, why: str) -> UsageError:
    return UsageError(
        f"The certificate authorities in {path} cannot be used: {why}.",
        f"{CA_VARIABLE}, or `ca_file` of the settings, names a file of certificates (PEM).",
    )
