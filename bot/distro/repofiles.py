"""The `.repo` files that repository documents name, read into them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAX_BYTES = 1_000_000
_FIELD = ("data", "source", "repofile")
Place = tuple[str | int, ...]


def checksum_of(path: Path) -> str:
    """The sha256 of a file, empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_MAX_BYTES + 1)).hexdigest()
    except OSError:
        return ""


def with_repofiles(
    data: Any, folder: Path
) -> tuple[Any, Mapping[str, str], list[tuple[Place, str]]]:
    """A document's data with the repositories of its `source.repofile`; sums by path; what failed.

    What the document itself says in `repos` goes before. Paths begin at `folder`. What is no
    mapping where there should be one is left to the schema.
    """
    source = data.get("source") if isinstance(data, dict) else None
    named = source.get("repofile") if isinstance(source, dict) else None
    if not isinstance(source, dict) or not named:
        return data, {}, []
    from bot.distro.repofile import Chosen, RepofileError, read_repofile

    chosen = Chosen(_texts(source.get("enablerepo")), _texts(source.get("disablerepo")))
    repos: dict[str, Any] = {}
    read: dict[str, str] = {}
    problems: list[tuple[Place, str]] = []
    for name in _texts(named):
        path = folder / name
        try:
            content = path.read_bytes()
            found = read_repofile(content.decode(), str(path.absolute()), chosen)
        except OSError as error:
            problems.append((_FIELD, f"{path} cannot be read: {error.strerror}"))
            continue
        except UnicodeDecodeError:
            problems.append((_FIELD, f"{path} is no text"))
            continue
        except RepofileError as error:
            problems.append((_FIELD, f"{path}:{error.line}: {error}"))
            continue
        if not found:
            problems.append((_FIELD, f"{path} has no repository that is enabled: see `enablerepo`"))
        repos |= found
        read[str(path.absolute())] = checksum_of(path)
    own = source.get("repos")
    merged = {**repos, **(own if isinstance(own, dict) else {})}
    return {**data, "source": {**source, "repos": merged}}, read, problems


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(v) for v in value] if isinstance(value, list) else []
