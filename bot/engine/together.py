"""`/minimize check with`: finding the other pull requests, if the user may read them. One sentence
refuses all that may not be shown, so that it does not reveal which ones exist."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from bot.engine.job import CheckJob, OtherHead
from bot.engine.trust import Trust, trust_in
from bot.errors import MinimizeError
from bot.forge.protocol import Forge
from bot.forge.values import (
    ROLES,
    ForgeGoneError,
    ForgeRefusedError,
    PullRequest,
    PullRequestKey,
    Role,
)
from bot.settings.forges import FORGE_TYPES
from bot.settings.operation import BuildSettings
from bot.settings.values import Settings
from bot.store.commands import Commands
from bot.store.store import Store

# Enough for a reader to follow; each change costs an evaluation.
MOST_OTHERS = 5
_REFERENCE = re.compile(r"(?:(?P<repository>[\w.-]+(?:/[\w.-]+)+))?[#!](?P<number>[1-9]\d{0,9})")


class OtherRefusedError(MinimizeError):
    """A pull request that is not checked together with this one; `what` is the answer."""


class Others:
    """The pull requests named in a command on another one, found on its forge."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._commands = Commands(store)

    async def find(
        self, forge: Forge, pull: PullRequest, user: str, names: Sequence[str]
    ) -> tuple[OtherHead, ...]:
        """The heads of the pull requests called `names`, in their order, each once.

        Raises OtherRefusedError if one is no pull request, or may not be shown on `pull`.
        """
        keys: dict[PullRequestKey, str] = {}
        for name in names:
            keys.setdefault(_key(name, pull.key), name)
        if pull.key in keys:
            raise OtherRefusedError(f"{keys[pull.key]} is this pull request itself.")
        if len(keys) > MOST_OTHERS:
            raise OtherRefusedError(f"At most {MOST_OTHERS} others are checked together with one.")
        return tuple([await self._head(forge, pull, user, key, keys[key]) for key in keys])

    async def _head(
        self, forge: Forge, pull: PullRequest, user: str, key: PullRequestKey, name: str
    ) -> OtherHead:
        other = await self._readable(forge, pull, user, key)
        if other is None:
            raise OtherRefusedError(
                f"{name} is no pull request that can be shown here: on this forge, in a repository"
                " that this server serves, that you may read, and no more private than this one."
            )
        if not other.open:
            raise OtherRefusedError(f"{name} is closed.")
        allowed = await asyncio.to_thread(
            self._commands.decision, "allow", *key.parts, other.head_sha
        )
        return OtherHead(
            name=f"{key.repository}{'!' if '!' in name else '#'}{key.number}",
            repository=key.repository,
            number=key.number,
            base_ref=other.base_ref,
            base_sha=other.base_sha,
            head_sha=other.head_sha,
            author=other.author,
            allowed=allowed.user if allowed is not None else "",
        )

    async def _readable(
        self, forge: Forge, pull: PullRequest, user: str, key: PullRequestKey
    ) -> PullRequest | None:
        """The pull request, if the server serves its repository, `user` may read it, and so may all
        readers of `pull`; else null."""
        if not await asyncio.to_thread(self._is_served, key):
            return None
        try:
            other = await forge.pull_request(key)
            if not other.private:
                return other
            role = await forge.role_of(key, user)
        except (ForgeGoneError, ForgeRefusedError):
            return None
        forge_settings = self._settings.forges.get(key.forge)
        # A guest of a private project of GitLab sees its issues, not its code.
        least: Role = (
            "triage"
            if forge_settings is not None and FORGE_TYPES[forge_settings.type].guests
            else "read"
        )
        may = ROLES.index(role) >= ROLES.index(least)
        return other if may and _readers_may_read(pull, other) else None

    def _is_served(self, key: PullRequestKey) -> bool:
        """Return whether the settings have a rule for a repository, or the store a check of it."""
        if self._settings.has_rule_for(key.forge, key.repository):
            return True
        rows = self._store.rows(
            "select 1 from checks where forge = ? and repository = ? limit 1", key.parts[:2]
        )
        return bool(rows)


async def trust_in_all(job: CheckJob, forge: Forge, build: BuildSettings) -> Trust:
    """The trust in the head commits of a job and of all changes checked together with it."""
    own = await trust_in(job, forge, build)
    if not own.trusted:
        return own
    for other in job.others:
        trust = await trust_in(job_of_other(job, other), forge, build)
        if not trust.trusted:
            return replace(trust, why=f"{other.name}: {trust.why}")
    return own


def job_of_other(job: CheckJob, other: OtherHead) -> CheckJob:
    """The job of a pull request checked together with `job`, with what trust and git need."""
    return CheckJob(
        job.id,
        job.forge,
        other.repository,
        other.number,
        other.base_ref,
        other.base_sha,
        other.head_sha,
        other.author,
        allowed=other.allowed,
    )


def _key(name: str, here: PullRequestKey) -> PullRequestKey:
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise OtherRefusedError(
            f"{name} names no pull request: write OWNER/REPO#N, or GROUP/PROJECT!N on GitLab."
        )
    repository = match["repository"] or here.repository
    return PullRequestKey(here.forge, repository, int(match["number"]))


def _readers_may_read(here: PullRequest, other: PullRequest) -> bool:
    """Return whether all readers of `here` may read `other`, which is private.

    The readers of one owner's private repositories are taken for the same people; those of another
    owner's, or of an internal project (all users of the forge), are not.
    """
    same_owner = here.key.repository.split("/")[0] == other.key.repository.split("/")[0]
    return here.private and same_owner and (other.internal or not here.internal)
