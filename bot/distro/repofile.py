"""Reads dnf's `.repo` files as the `repos` of a repository document.

Options and defaults are those of dnf.conf(5), "REPO OPTIONS". Options for dnf's own operation
(`metadata_expire`, `cost`, `countme`, ...) are ignored.
"""

from __future__ import annotations

import configparser
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bot import limits

_TRUE, _FALSE = ("1", "yes", "true", "on"), ("0", "no", "false", "off")
_FIELD = ("data", "source", "repofile")
Place = tuple[str | int, ...]
# dnf's default; Content Resolver's documents use 100.
_PRIORITY = 99
_TEXTS = ("metalink", "mirrorlist", "sslcacert", "sslclientcert", "sslclientkey")
_LISTS = {
    "baseurl": "baseurl",
    "gpgkey": "gpgkey",
    "excludepkgs": "exclude",
    "exclude": "exclude",
    "includepkgs": "include",
}
_FLAGS = ("repo_gpgcheck", "module_hotfixes", "skip_if_unavailable", "sslverify")
_SECRETS = ("username", "password", "proxy_username", "proxy_password")


class RepofileError(ValueError):
    """A text that is not a `.repo` file, or an option that dnf would refuse; `line` counts from
    1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


# What a document says of a repository: texts, lists, flags, references to secrets.
Field = str | bool | list[str] | Mapping[str, str]
RepoFields = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class RepoSelection:
    """Globs of repository ids that are enabled or disabled in addition to the file's own
    `enabled`."""

    enable: Sequence[str] = ()
    disable: Sequence[str] = ()

    def has(self, id_: str, enabled: bool) -> bool:
        """Return whether a repository is enabled; `enabled` is what its file says."""
        if any(fnmatchcase(id_, pattern) for pattern in self.disable):
            return False
        return enabled or any(fnmatchcase(id_, pattern) for pattern in self.enable)


def read_repofile(text: str, path: str, selection: RepoSelection) -> dict[str, RepoFields]:
    """The enabled repositories by id, as in a document's `source.repos`.

    Secrets become references to the file `path`, so that they are stored nowhere else. Raises
    RepofileError.
    """
    parser = _parsed(text)
    repositories: dict[str, RepoFields] = {}
    for id_ in parser.sections():
        if id_ == "main":
            continue
        options = dict(parser.items(id_))
        try:
            if selection.has(id_, _flag(options, "enabled", True)):
                repositories[id_] = dict(_repository(id_, options, path))
        except ValueError as error:
            raise RepofileError(f"[{id_}] {error}", _line_of(text, id_)) from None
    return repositories


def option_of(text: str, section: str, option: str) -> str:
    """One option's value, empty if it is not set. Raises configparser.Error."""
    return _parser(text).get(section, option, fallback="")


def _parsed(text: str) -> configparser.RawConfigParser:
    try:
        return _parser(text)
    except configparser.MissingSectionHeaderError as error:
        raise RepofileError("it has a line outside a section", error.lineno) from None
    except configparser.ParsingError as error:
        line = error.errors[0][0] if error.errors else 1
        raise RepofileError("it has a line that is no option of a section", line) from None


def _parser(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(
        delimiters=("=",), comment_prefixes=("#", ";"), strict=False, default_section="\0"
    )
    parser.read_string(text)
    return parser


def _line_of(text: str, section: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() == f"[{section}]":
            return number
    return 1


def _repository(id_: str, options: Mapping[str, str], path: str) -> Iterator[tuple[str, Field]]:
    yield "name", options.get("name") or id_
    yield "priority", options.get("priority", "").strip() or str(_PRIORITY)
    lists: dict[str, list[str]] = {}
    for option, field in _LISTS.items():
        lists.setdefault(field, []).extend(_list_of(options.get(option, "")))
    lists["baseurl"] = [f"file://{u}" if u.startswith("/") else u for u in lists["baseurl"]]
    if not _flag(options, "gpgcheck", True) and not _flag(options, "repo_gpgcheck", False):
        lists["gpgkey"] = []  # its keys are not to be used
    yield from ((field, values) for field, values in lists.items() if values)
    yield from ((o, options[o].strip()) for o in _TEXTS if options.get(o, "").strip())
    yield from ((o, _flag(options, o, False)) for o in _FLAGS if o in options)
    if "proxy" in options:
        yield "proxy", options["proxy"].strip()
    for option in _SECRETS:
        if options.get(option, "").strip():
            yield option, {"repofile": path, "section": id_, "option": option}


def _list_of(value: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", value) if part]


def _flag(options: Mapping[str, str], name: str, default: bool) -> bool:
    value = options.get(name, "").strip().lower()
    if not value:
        return default
    if value not in (*_TRUE, *_FALSE):
        raise ValueError(f"{name} is true or false, not `{value}`")
    return value in _TRUE


def checksum_of(path: Path) -> str:
    """The sha256 of a file, empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(limits.REPOFILE + 1)).hexdigest()
    except OSError:
        return ""


def with_repofiles(
    data: Any, folder: Path
) -> tuple[Any, Mapping[str, str], list[tuple[Place, str]]]:
    """A document's data with the repositories of its `source.repofile`; sha256 by path; errors.

    The document's own `repos` take precedence. Paths begin at `folder`. Wrong types are left for
    the schema to report.
    """
    source = data.get("source") if isinstance(data, dict) else None
    named = source.get("repofile") if isinstance(source, dict) else None
    if not isinstance(source, dict) or not named:
        return data, {}, []
    selection = RepoSelection(_texts(source.get("enablerepo")), _texts(source.get("disablerepo")))
    repos: dict[str, RepoFields] = {}
    read: dict[str, str] = {}
    problems: list[tuple[Place, str]] = []
    for name in _texts(named):
        path = folder / name
        try:
            content = path.read_bytes()
            enabled = read_repofile(content.decode(), str(path.absolute()), selection)
        except OSError as error:
            problems.append((_FIELD, f"{path} cannot be read: {error.strerror}"))
            continue
        except UnicodeDecodeError:
            problems.append((_FIELD, f"{path} is not text"))
            continue
        except RepofileError as error:
            problems.append((_FIELD, f"{path}:{error.line}: {error}"))
            continue
        if not enabled:
            problems.append((_FIELD, f"{path} has no repository that is enabled: see `enablerepo`"))
        repos |= enabled
        read[str(path.absolute())] = checksum_of(path)
    own = source.get("repos")
    merged = {**repos, **(own if isinstance(own, dict) else {})}
    return {**data, "source": {**source, "repos": merged}}, read, problems


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(v) for v in value] if isinstance(value, list) else []
