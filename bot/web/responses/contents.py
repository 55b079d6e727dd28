"""What an image holds, by name: what two sides, or four, are compared by."""

from __future__ import annotations

from collections.abc import Iterable

from bot.store.history.values import Member


def versions(members: Iterable[Member]) -> str:
    """Their versions as people write them: an epoch only where it is not 0."""
    return ", ".join(member.nevra.evr.removeprefix("0:") for member in members)


def by_name(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Each name's packages; of most names there is one."""
    found: dict[str, list[Member]] = {}
    for member in members:
        found.setdefault(member.nevra.name, []).append(member)
    return found
