"""Command lines of package managers: what they install, and with which options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.requests.shell import Command, Word

# The programs that install RPM packages, and whether they take weak dependencies by themselves.
MANAGERS = {
    "dnf": True,
    "dnf4": True,
    "dnf-3": True,
    "dnf5": True,
    "microdnf": True,
    "yum": True,
    "tdnf": False,
    "zypper": True,
}
Action = Literal["install", "clean", "other", "unread"]
_INSTALL = {"install", "in", "reinstall", "localinstall", "groupinstall", "install-n", "install-na"}
_CLEAN = {"clean", "cc"}
# They install and remove nothing; the packages beneath are of the newest versions already.
_OTHER = {
    "makecache", "refresh", "ref", "repolist", "lr", "list", "info", "search", "check-update",
    "repoquery", "--version", "--help", "provides", "history", "check", "mark", "deplist", "help",
    "update", "upgrade", "up", "distro-sync", "dup", "upgrade-minimal", "patch",
}  # fmt: skip
_FLAGS = {
    "-y", "--assumeyes", "--yes", "-q", "--quiet", "-v", "--verbose", "--best", "--nobest",
    "--allowerasing", "--skip-broken", "--nogpgcheck", "--no-gpgchecks", "--refresh", "--noplugins",
    "-n", "--non-interactive", "-C", "--cacheonly", "--no-confirm", "--nodocs", "--no-recommends",
    "--recommends", "--use-host-config", "--gpg-auto-import-keys", "--auto-agree-with-licenses",
    "-l", "--no-refresh", "--skip-unavailable", "--no-best", "--ignorearch", "-b", "--noautoremove",
    "--no-gpg-checks", "--downloadonly", "--download-only", "--allow-downgrade",
    "--force-resolution",
    "--replacefiles", "--force", "-f", "--assumeno", "--security", "--exclude-weakdeps",
    "-qy", "-yq",
    "--no-allow-vendor-change", "--allow-vendor-change", "--no-force-resolution", "-ly", "-yl",
}  # fmt: skip
_WITH_VALUE = {
    "--setopt", "--installroot", "--releasever", "--enablerepo", "--disablerepo", "--repo",
    "--repoid", "--repofrompath", "--exclude", "-x", "--excludepkgs", "--forcearch", "--config",
    "-c", "--disableplugin", "--enableplugin", "--color", "-d", "-e", "--root", "-R", "--from",
    "-r", "--arch", "--enable-repo", "--disable-repo", "--disableexcludes", "--debuglevel",
    "--errorlevel", "--cachedir", "--comment", "--rpmverbosity", "--downloaddir",
}  # fmt: skip
_REPOSITORY = {"--enablerepo", "--repo", "--repoid", "--from", "-r", "--enable-repo"}
_ROOTS = {"--installroot", "--root", "-R"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class ManagerLine:
    """A command of a package manager.

    `packages` are what it installs, each with its line. `root` is the folder that it installs to,
    empty for the system itself; `weak` and `documentation` are null where the line does not say;
    `repositories` ids that it enables. Of `unread` `why` says what is not known, at `line`.
    """

    action: Action
    manager: str
    line: int
    packages: tuple[Word, ...] = ()
    excludes: tuple[Word, ...] = ()
    root: str = ""
    weak: bool | None = None
    documentation: bool | None = None
    repositories: tuple[Word, ...] = ()
    why: str = ""


def manager_line(command: Command) -> ManagerLine | None:
    """A command as one of a package manager; null where it is none and runs none."""
    if command.name not in MANAGERS:
        return _hidden(command)
    found = _read(command)
    if found.action == "install" and command.conditional:
        return _unread(command, "runs only under a condition")
    if found.action == "install" and not found.packages and not found.why:
        return _unread(command, "names no package")
    return found


def _unread(command: Command, why: str, line: int | None = None) -> ManagerLine:
    where = command.words[0].line if line is None else line
    return ManagerLine("unread", command.name, where, why=why)


def _hidden(command: Command) -> ManagerLine | None:
    """A package manager that another command runs (`xargs dnf install`), or none."""
    if command.name in ("echo", "printf", "which", "type", "rm", "ls", "cat", "test", "["):
        return None
    texts = [re.split(r"\s+", word.text) for word in command.words[1:]]
    words = [part.rpartition("/")[2] for parts in texts for part in parts]
    if any(
        one in MANAGERS and not _INSTALL.isdisjoint(words[at + 1 : at + 6])
        for at, one in enumerate(words)
    ):
        return _unread(command, f"`{command.name}` runs a package manager")
    if command.name == "rpm" and any(
        re.match(r"-[ivUFhe]*[iUFe][a-zA-Z]*$|--(install|upgrade|freshen|erase)$", w.text)
        for w in command.words[1:]
    ):
        return _unread(command, "`rpm` installs or removes packages")
    return None


def _read(command: Command) -> ManagerLine:
    words = list(command.words[1:])
    options: list[tuple[str, Word]] = []
    plain: list[Word] = []
    while words:
        word = words.pop(0)
        name, is_set, value = word.text.partition("=")
        if not word.text.startswith("-") or not word.known:
            plain.append(word)
        elif is_set and name.startswith("--"):
            options.append((name, Word(value, word.line)))
        elif word.text in _WITH_VALUE and not (word.text in ("-d", "-e") and not words):
            options.append((word.text, words.pop(0) if words else Word("", word.line, known=False)))
        elif re.match(r"-[xcr]\S+$", word.text) and word.text[:2] in _WITH_VALUE:
            options.append((word.text[:2], Word(word.text[2:], word.line)))
        elif word.text in _FLAGS:
            options.append((word.text, word))
        else:
            plain.append(Word(word.text, word.line, known=False))
    return _line(command, plain, options)


def _line(
    command: Command, plain: Sequence[Word], options: Sequence[tuple[str, Word]]
) -> ManagerLine:
    if not plain:
        return ManagerLine("other", command.name, command.words[0].line)
    action, packages = plain[0].text, list(plain[1:])
    groups = action in ("group", "groups") and [w.text for w in packages[:1]] == ["install"]
    if groups or action == "groupinstall":
        packages = [Word(f"@{w.text}", w.line, w.known) for w in packages[1 if groups else 0 :]]
        action = "install"
    if plain[0].known and action not in _INSTALL and action in (*_CLEAN, *_OTHER):
        kind: Action = "clean" if action in _CLEAN else "other"
        return ManagerLine(kind, command.name, plain[0].line)
    if (obstacle := _obstacle(command, action, plain[0], packages, options)) is not None:
        return obstacle
    return ManagerLine(
        "install",
        command.name,
        packages[0].line if packages else command.words[0].line,
        tuple(packages),
        tuple(_split(options, {"--exclude", "-x", "--excludepkgs"})),
        next((w.text for name, w in options if name in _ROOTS), ""),
        _weak(options),
        _documentation(options),
        tuple(w for w in _split(options, _REPOSITORY) if "*" not in w.text),
    )


def _obstacle(
    command: Command,
    action: str,
    verb: Word,
    packages: Sequence[Word],
    options: Sequence[tuple[str, Word]],
) -> ManagerLine | None:
    """Why a line cannot be read for sure, or null."""
    # The repositories are the mapped ones, whatever release it is.
    values = (value for name, value in options if name != "--releasever")
    unknown = [w for w in (verb, *packages, *values) if not w.known]
    if unknown:
        return _unread(command, _unknown(unknown[0]), unknown[0].line)
    if action not in _INSTALL:
        return _unread(command, f"`{command.name} {action}` is not evaluated", verb.line)
    for word in packages:
        if "://" in word.text or word.text.endswith(".rpm") or word.text.startswith("./"):
            return _unread(command, f"`{word.text}` is a package of no repository", word.line)
    if any(name == "--repofrompath" for name, _ in options):
        return _unread(command, "`--repofrompath` brings a repository of its own")
    return None


def _unknown(word: Word) -> str:
    if word.text.startswith("-"):
        return f"the option `{word.text}` is not known"
    return f"`{word.text}…` holds what only a shell knows" if word.text else "a value is not known"


def _split(options: Iterable[tuple[str, Word]], names: set[str]) -> Iterator[Word]:
    for name, word in options:
        for text in word.text.split(",") if name in names else ():
            if text:
                yield Word(text, word.line)


def _weak(options: Iterable[tuple[str, Word]]) -> bool | None:
    found = None
    for name, word in options:
        key, _, value = word.text.partition("=")
        if name == "--setopt" and key.strip() in ("install_weak_deps", "main.install_weak_deps"):
            found = value.strip().lower() not in _FALSE
        elif name in ("--no-recommends", "--exclude-weakdeps"):
            found = False
        elif name == "--recommends":
            found = True
    return found


def _documentation(options: Iterable[tuple[str, Word]]) -> bool | None:
    for name, word in options:
        key, _, value = word.text.partition("=")
        if name == "--nodocs" or (
            name == "--setopt" and key.strip() == "tsflags" and "nodocs" in value
        ):
            return False
    return None
