"""dnf's variables in the URLs of a repository."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.distro.documents import RepoSource
from bot.model.architecture import basearch


def expanded(source: RepoSource, releasever: str, arch: str) -> RepoSource:
    """`source` with dnf's variables replaced; each base URL with a `/` at its end."""
    values = {"basearch": basearch(arch), "arch": arch, "releasever": releasever}

    def expand(text: str) -> str:
        return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], m[0]), text)

    return replace(
        source,
        baseurl=tuple(f"{expand(url).rstrip('/')}/" for url in source.baseurl),
        metalink=expand(source.metalink) if source.metalink else None,
        mirrorlist=expand(source.mirrorlist) if source.mirrorlist else None,
        gpgkey=tuple(expand(url) for url in source.gpgkey),
    )
