"""Command lines of package managers: what they install, and with which options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.requests.shell import Command, Word

# The programs that install RPM packages, and whether they install weak dependencies by default.
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
Action = Literal["install", "remove", "swap", "enable", "upgrade", "clean", "other", "unread"]
_INSTALL = {"install", "in", "reinstall", "localinstall", "groupinstall", "install-n", "install-na"}
_REMOVE = {"remove", "erase", "rm", "remove-n", "remove-na"}
_CLEAN = {"clean", "cc"}
# An environment's packages are of the newest versions already; those of a real image are not.
_UPGRADE = {"update", "upgrade", "up", "distro-sync", "dup", "upgrade-minimal", "patch"}
# They install and remove nothing.
_OTHER = {
    "makecache", "refresh", "ref", "repolist", "lr", "list", "info", "search", "check-update",
    "repoquery", "--version", "--help", "provides", "history", "check", "mark", "deplist", "help",
    "module list", "module info", "group list", "group info", "grouplist",
}  # fmt: skip
# Options that select an image's packages.
CHANGING: tuple[Action, ...] = ("install", "remove", "swap", "enable")
_FLAGS = {
    "-y", "--assumeyes", "--yes", "-q", "--quiet", "-v", "--verbose", "--best", "--nobest",
    "--allowerasing", "--skip-broken", "--nogpgcheck", "--no-gpgchecks", "--refresh", "--noplugins",
    "-n", "--non-interactive", "-C", "--cacheonly", "--no-confirm", "--nodocs", "--no-recommends",
    "--recommends", "--use-host-config", "--gpg-auto-import-keys", "--auto-agree-with-licenses",
    "--no-autoremove", "--clean-deps", "-u", "--no-clean-deps",
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
_ACTIONS: dict[str, Action] = {
    **dict.fromkeys(_INSTALL, "install"),
    **dict.fromkeys(_REMOVE, "remove"),
    "swap": "swap",
    "module enable": "enable",
}
_REPOSITORY = {"--enablerepo", "--repo", "--repoid", "--from", "-r", "--enable-repo"}
_ROOTS = {"--installroot", "--root", "-R"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class ManagerLine:
    """A command of a package manager.

    `packages` are those that it installs, `removes` those that it removes, each with its line;
    `enable` has module streams as `packages`. `root` is the directory into which it installs, empty
    for the system itself; `weak` and `documentation` are None if the line does not set them;
    `repositories` are ids that it enables. With `unread`, `why` says what is not known, at `line`.
    """

    action: Action
    manager: str
    line: int
    packages: tuple[Word, ...] = ()
    removes: tuple[Word, ...] = ()
    excludes: tuple[Word, ...] = ()
    root: str = ""
    weak: bool | None = None
    documentation: bool | None = None
    repositories: tuple[Word, ...] = ()
    why: str = ""


def manager_line(command: Command) -> ManagerLine | None:
    """Return a command as a package manager's; None if it is none and runs none."""
    if command.name not in MANAGERS:
        return _hidden(command)
    line = _read(command)
    if line.action in CHANGING and command.conditional:
        return _unread(command, "runs only under a condition")
    if line.action in CHANGING and not (line.packages or line.removes):
        return _unread(command, "names no package")
    return line


def _unread(command: Command, why: str, line: int | None = None) -> ManagerLine:
    number = command.words[0].line if line is None else line
    return ManagerLine("unread", command.name, number, why=why)


def _hidden(command: Command) -> ManagerLine | None:
    """Return a package manager that another command runs (`xargs dnf install`), or None."""
    if command.name in ("echo", "printf", "which", "type", "rm", "ls", "cat", "test", "["):
        return None
    texts = [re.split(r"\s+", word.text) for word in command.words[1:]]
    words = [part.rpartition("/")[2] for parts in texts for part in parts]
    if any(
        program in MANAGERS and not _INSTALL.isdisjoint(words[index + 1 : index + 6])
        for index, program in enumerate(words)
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
    verb, packages = _verb(plain)
    if plain[0].known and verb in (*_CLEAN, *_UPGRADE, *_OTHER):
        kind: Action = "clean" if verb in _CLEAN else "upgrade" if verb in _UPGRADE else "other"
        return ManagerLine(kind, command.name, plain[0].line)
    action = _ACTIONS.get(verb, "unread")
    word = Word(verb, plain[0].line, plain[0].known)
    if (obstacle := _obstacle(command, action, word, packages, options)) is not None:
        return obstacle
    removes = packages if action == "remove" else packages[:1] if action == "swap" else []
    return ManagerLine(
        action,
        command.name,
        packages[0].line if packages else command.words[0].line,
        tuple(packages[len(removes) :]),
        tuple(removes),
        tuple(_split(options, {"--exclude", "-x", "--excludepkgs"})),
        next((w.text for name, w in options if name in _ROOTS), ""),
        _weak(options),
        _documentation(options),
        tuple(w for w in _split(options, _REPOSITORY) if "*" not in w.text),
    )


def _verb(plain: Sequence[Word]) -> tuple[str, list[Word]]:
    """Return the action's word, and its arguments; `group install` is `install` of groups."""
    verb, words = plain[0].text, list(plain[1:])
    second = words[0].text if words else ""
    if verb in ("group", "groups", "module") and second:
        verb, words = f"{verb.removesuffix('s')} {second}", words[1:]
    if verb in ("group install", "groupinstall"):
        return "install", [Word(f"@{w.text}", w.line, w.known) for w in words]
    return verb, words


def _obstacle(
    command: Command,
    action: Action,
    verb: Word,
    packages: Sequence[Word],
    options: Sequence[tuple[str, Word]],
) -> ManagerLine | None:
    """Return the unread line for what cannot be read with certainty; None if there is nothing."""
    # The mapped repositories are used, whatever the release.
    values = (value for name, value in options if name != "--releasever")
    unknown = [w for w in (verb, *packages, *values) if not w.known]
    if unknown:
        return _unread(command, _unknown(unknown[0]), unknown[0].line)
    if action == "unread":
        return _unread(command, f"`{command.name} {verb.text}` is not evaluated", verb.line)
    if action == "swap" and len(packages) != 2:
        return _unread(command, "`swap` takes two packages", verb.line)
    removes = packages if action == "remove" else packages[:1] if action == "swap" else ()
    for word in packages:
        if word in removes and word.text.startswith("@"):
            return _unread(command, f"removing the group `{word.text}` is not evaluated", word.line)
        if "://" in word.text or word.text.endswith(".rpm") or word.text.startswith("./"):
            return _unread(command, f"the package `{word.text}` is from no repository", word.line)
    own_repository = any(name == "--repofrompath" for name, _ in options)
    why = "`--repofrompath` brings a repository of its own"
    return _unread(command, why) if own_repository else None


def _unknown(word: Word) -> str:
    if word.text.startswith("-"):
        return f"the option `{word.text}` is not known"
    return (
        f"`{word.text}…` has a value that only a shell knows"
        if word.text
        else "a value is not known"
    )


def _split(options: Iterable[tuple[str, Word]], names: set[str]) -> Iterator[Word]:
    for name, word in options:
        for text in word.text.split(",") if name in names else ():
            if text:
                yield Word(text, word.line)


def _weak(options: Iterable[tuple[str, Word]]) -> bool | None:
    weak = None
    for name, word in options:
        key, _, value = word.text.partition("=")
        if name == "--setopt" and key.strip() in ("install_weak_deps", "main.install_weak_deps"):
            weak = value.strip().lower() not in _FALSE
        elif name in ("--no-recommends", "--exclude-weakdeps"):
            weak = False
        elif name == "--recommends":
            weak = True
    return weak


def _documentation(options: Iterable[tuple[str, Word]]) -> bool | None:
    for name, word in options:
        key, _, value = word.text.partition("=")
        if name == "--nodocs" or (
            name == "--setopt" and key.strip() == "tsflags" and "nodocs" in value
        ):
            return False
    return None
