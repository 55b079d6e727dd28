"""Owners of files: by the image's own /etc/passwd and /etc/group, and the users packages bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.image.listing import Sysuser

PASSWD, GROUP = "/etc/passwd", "/etc/group"
# What systemd-sysusers gives to whom no number is given: from here downwards.
_HIGHEST, _LOWEST = 999, 100


@dataclass(frozen=True, slots=True)
class Owners:
    """Numbers of users and groups, and the two files if they had to grow (else null).

    `passwd` and `group` are the new contents of files that packages own.
    """

    users: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    passwd: bytes | None = None
    group: bytes | None = None

    def of(self, user: str, group: str) -> tuple[int, int, int]:
        """uid, gid, and the mode bits to clear: unknown names become root's, as rpm does it.

        A file that falls to root loses setuid or setgid (rpm's lib/rpmfi.c, rpmfilesStat).
        """
        uid, gid, cleared = 0, 0, 0
        if user != "root":
            known = self.users.get(user)
            uid, cleared = (known, 0) if known is not None else (0, 0o4000)
        if group != "root":
            known = self.groups.get(group)
            gid, cleared = (known, cleared) if known is not None else (0, cleared | 0o2000)
        return uid, gid, cleared


def read_owners(passwd: bytes, group: bytes, sysusers: Iterable[Sysuser]) -> Owners:
    """The owners of an image: its passwd and group, and the users that its packages bring.

    Users without a number get one as systemd-sysusers would give it, in the order of their names.
    """
    users, groups = _numbers(passwd), _numbers(group)
    lines = sorted(set(sysusers))
    more_users: list[str] = []
    more_groups: list[str] = []
    wanted = [_words(one.line) for one in lines]
    for kind, name, number, *_ in wanted:
        if kind == "g" and name not in groups:
            groups[name] = _number(number, groups)
            more_groups.append(f"{name}:x:{groups[name]}:")
    for kind, name, number, *rest in wanted:
        if kind not in ("u", "u!") or name in users:
            continue
        ids, _, primary = number.partition(":")
        if primary:
            gid = int(primary) if primary.isdigit() else groups.get(primary, 0)
            users[name] = _number(ids, users)
        else:
            users[name] = _number(ids, users, groups.get(name), groups)
            if name not in groups:
                groups[name] = users[name]
                more_groups.append(f"{name}:x:{groups[name]}:")
            gid = groups[name]
        comment, home, shell = (*rest, "", "", "")[:3]
        more_users.append(
            f"{name}:x:{users[name]}:{gid}:{_or(comment, '')}:{_or(home, '/')}:"
            f"{_or(shell, '/usr/sbin/nologin')}"
        )
    members = [(name, number) for kind, name, number, *_ in wanted if kind == "m"]
    new_group = _with_members(_grown(group, more_groups), members)
    return Owners(
        users,
        groups,
        _grown(passwd, more_users) if more_users else None,
        new_group if new_group != group else None,
    )


def _numbers(content: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit():
            found.setdefault(fields[0], int(fields[2]))
    return found


def _words(line: str) -> list[str]:
    import shlex

    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    # A name with a colon or a line break could write lines of its own into the files.
    if any(set(word) & set("\n\r") or (":" in word and i != 2) for i, word in enumerate(words)):
        return ["", "", ""]
    return [*words, "", "", ""][: max(3, len(words))]


def _number(
    text: str,
    taken: dict[str, int],
    preferred: int | None = None,
    also: dict[str, int] | None = None,
) -> int:
    if text.isdigit():
        return int(text)
    if preferred is not None:
        return preferred
    used = {*taken.values(), *(also or {}).values()}
    return next((n for n in range(_HIGHEST, _LOWEST, -1) if n not in used), 65534)


def _or(text: str, default: str) -> str:
    return default if text in ("", "-") else text


def _grown(content: bytes, lines: list[str]) -> bytes:
    if not lines:
        return content
    if content and not content.endswith(b"\n"):
        content += b"\n"
    return content + "".join(f"{line}\n" for line in lines).encode()


def _with_members(content: bytes, members: list[tuple[str, str]]) -> bytes:
    if not members:
        return content
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    for user, group in members:
        for index, line in enumerate(lines):
            fields = line.split(":")
            if fields[0] == group and len(fields) == 4:
                names = [name for name in fields[3].split(",") if name]
                if user not in names:
                    lines[index] = ":".join([*fields[:3], ",".join([*names, user])])
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
