"""The cause of a step in words, from its JSON, for terminal, page and issue.

Texts are plain and foreign: the caller escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.model.nevra import parse_nevra

Json = Mapping[str, Any]
_CHANGES = {
    "came": "came",
    "went": "left",
    "changed": "changed",
    "unsolvable": "made it unsolvable",
    "solvable": "made it solvable again",
}
_KINDS = {
    "distribution": "the distribution",
    "configuration": "the configuration",
    "unknown": "not known",
}


def change_words(about: Json) -> str:
    """The verb for a package: `came`, `left`, `changed`."""
    return _CHANGES.get(about["change"], str(about["change"]))


def blame_words(about: Json) -> str:
    """The origin: `pull request o/r#7`, `commit 1a2b3c4d5e6f pushed to main of o/r`, the
    distribution, the configuration."""
    pull, commit = about["pull_request"], about.get("commit")
    if pull:
        if pull.get("private"):
            return "a private pull request"
        return f"pull request {pull['repository']}#{pull['number']}"
    if commit:
        if commit["private"]:
            return "a commit in a private repository"
        return (
            f"commit {commit['commit'][:12]} pushed to {commit['branch']} of {commit['repository']}"
        )
    return _KINDS.get(about["kind"], str(about["kind"]))


def short_blame_words(about: Json) -> str:
    """The pull request or commit in short: `o/r#7`, `o/r@1a2b3c4`; else ""."""
    pull, commit = about["pull_request"], about.get("commit")
    if (pull or commit or {}).get("private"):
        return blame_words(about)
    if pull:
        return f"{pull['repository']}#{pull['number']}"
    return f"{commit['repository']}@{commit['commit'][:7]}" if commit else ""


def blame_url(about: Json) -> str | None:
    """The address of the pull request or commit if it is http(s), else null."""
    url = str((about["pull_request"] or about.get("commit") or {}).get("url") or "")
    return url if url.startswith(("https://", "http://")) else None


def chain_words(chain: Iterable[Mapping[str, str]]) -> str:
    """A chain in one line: `nginx → perl → libperl5.36`, by name."""
    edges = list(chain)
    if not edges:
        return ""
    names = [edges[0]["from"], *(edge["to"] for edge in edges)]
    return " \N{RIGHTWARDS ARROW} ".join(parse_nevra(name).name for name in names)


def cause_words(cause: Json) -> str:
    """`perl came (pull request o/r#7)`."""
    about = cause["cause"]
    return f"{cause['package']} {change_words(about)} ({blame_words(about)})"
