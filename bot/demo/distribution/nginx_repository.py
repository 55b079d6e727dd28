"""The demo's git repository: nginx's spec file and sources, before and after the pull request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from bot.demo.distribution.debian import split_version
from bot.demo.distribution.reference import ReferenceDistribution
from bot.errors import SurroundingsError

SPEC = "nginx.spec"
TITLE = "Transform XML with XSLT, and require perl"
BODY = """\
Some sites serve XML that nginx turns into HTML: switch on `ngx_http_xslt_module`.
The log report that runs beside the server is a Perl script, so perl is required.
"""
# What the pull request does to the spec file: (line that is there, what stands there afterwards).
# No line names the library that the module links, libxslt1.1, nor what that needs.
_EDITS = (
    ("BuildRequires:  libssl-dev\n", "BuildRequires:  libssl-dev\nBuildRequires:  libxslt1-dev\n"),
    (
        "Requires:       %{name}-common = %{version}-%{release}\n",
        "Requires:       %{name}-common = %{version}-%{release}\nRequires:       perl\n",
    ),
    (
        "    --with-http_v2_module \\\n",
        "    --with-http_v2_module \\\n    --with-http_xslt_module \\\n",
    ),
)


@dataclass(frozen=True, slots=True)
class RepositoryFiles:
    """The files of the demo's git repository by path, on the base branch and on the pull request's.

    `title` and `body` are the pull request's.
    """

    base: Mapping[str, bytes]
    head: Mapping[str, bytes]
    title: str = TITLE
    body: str = BODY


def nginx_repository_files(distribution: ReferenceDistribution) -> RepositoryFiles:
    """The demo's repository for a distribution: same version and release as it has published.

    The tarball is Debian's `.orig.tar.gz`, which is upstream's; the repository carries it as
    `nginx-VERSION.tar.gz`. Raises SurroundingsError if the distribution's sources lack it.
    """
    evr = split_version(distribution.versions["nginx"])
    tarball = distribution.sources / f"nginx_{evr.version}.orig.tar.gz"
    if not tarball.exists():
        raise SurroundingsError(
            f"The source of nginx is not at {tarball}.",
            f"Delete {distribution.root}: the next run makes the distribution anew.",
        )
    folder = files("bot.demo.distribution").joinpath("nginx")
    base = {
        SPEC: _versioned(folder.joinpath(SPEC).read_text(), evr.version, evr.release).encode(),
        "nginx.conf": folder.joinpath("nginx.conf").read_bytes(),
        "nginx.service": folder.joinpath("nginx.service").read_bytes(),
        f"nginx-{evr.version}.tar.gz": tarball.read_bytes(),
    }
    return RepositoryFiles(base, {**base, SPEC: _changed(base[SPEC].decode()).encode()})


def _versioned(spec: str, version: str, release: str) -> str:
    spec = re.sub(r"(?m)^(Version:\s+).*$", rf"\g<1>{version}", spec, count=1)
    spec = re.sub(r"(?m)^(Release:\s+).*$", rf"\g<1>{release}%{{?dist}}", spec, count=1)
    return re.sub(r"(?m)^(\* .* - ).*$", rf"\g<1>{version}-{release}", spec, count=1)


def _changed(spec: str) -> str:
    """The spec file of the pull request: the edits, the next release, an entry in the changelog."""
    for before, after in _EDITS:
        if spec.count(before) != 1:
            raise ValueError(f"the demo's spec file has no single line {before.strip()!r}")
        spec = spec.replace(before, after)
    version = _tag(spec, "Version")
    release = _tag(spec, "Release").removesuffix("%{?dist}")
    following = _next_release(release)
    spec = re.sub(r"(?m)^(Release:\s+).*$", rf"\g<1>{following}%{{?dist}}", spec, count=1)
    entry = (
        f"* Mon Jun 12 2023 Web Maintainers <web@example.org> - {version}-{following}\n"
        "- Transform XML with XSLT\n"
        "- Require perl for the log report\n"
        "\n"
    )
    return spec.replace("%changelog\n", f"%changelog\n{entry}")


def _tag(spec: str, name: str) -> str:
    match = re.search(rf"(?m)^{name}:\s+(\S+)$", spec)
    assert match is not None
    return match[1]


def _next_release(release: str) -> str:
    """`9+deb12u9` -> `10`: the first number, raised."""
    match = re.match(r"\d+", release)
    return str(int(match[0]) + 1) if match is not None else f"{release}.1"
