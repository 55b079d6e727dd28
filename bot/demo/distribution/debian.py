"""Debian's words in rpm's: architectures, versions, and the suites this distribution is made of."""

from __future__ import annotations

from dataclasses import dataclass

# rpm's name of an architecture -> Debian's.
DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el", "s390x": "s390x"}
RPM_ARCH = {debian: rpm for rpm, debian in DEBIAN_ARCH.items()} | {"all": "noarch"}


@dataclass(frozen=True, slots=True)
class Suite:
    """A frozen suite of Debian: its code name, its number, the `dist` of packages made of it."""

    codename: str
    number: str
    dist: str


# Tried in this order: a mirror may answer with files that do not match its Release file.
SUITES = (Suite("bookworm", "12", ".deb12"), Suite("trixie", "13", ".deb13"))


@dataclass(frozen=True, slots=True)
class Evr:
    """Epoch, version and release as rpm writes them."""

    epoch: int
    version: str
    release: str

    def __str__(self) -> str:
        text = f"{self.version}-{self.release}" if self.release else self.version
        return f"{self.epoch}:{text}" if self.epoch else text


def split_version(text: str) -> Evr:
    """Debian's `[epoch:]upstream[-revision]`; the release is "" without a revision.

    rpm forbids a dash in Version: further dashes of the upstream version become dots, which rpm,
    like any other separator, compares as nothing at all.
    """
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return Evr(int(epoch), upstream.replace("-", "."), revision)


def package_evr(text: str, dist: str) -> Evr:
    """The version and release of a package of Debian version `text`: release `0` for a native
    package."""
    evr = split_version(text)
    return Evr(evr.epoch, evr.version, (evr.release or "0") + dist)


def bound(operator: str, text: str, dist: str) -> tuple[str, str]:
    """rpm's operator and version for Debian's `(operator text)`.

    rpm compares versions alone when one side has no release, Debian reads a missing revision as
    the lowest: `>> 2.36` holds for 2.36-9 in Debian, `> 2.36` does not in rpm, so it becomes `>=`;
    `<=` becomes `<` likewise. With a revision, `=`, `<=` and `>>` name the release with `dist`;
    `>=` and `<<` without, which is lower than every release that begins with it.
    """
    evr = split_version(text)
    operator = {"<": "<=", ">": ">="}.get(operator, operator)  # Debian's old spellings
    if not evr.release:
        return {"<<": "<", ">>": ">=", "<=": "<"}.get(operator, operator), str(evr)
    if operator in ("=", "<=", ">>"):
        evr = Evr(evr.epoch, evr.version, evr.release + dist)
    return {"<<": "<", ">>": ">"}.get(operator, operator), str(evr)
