"""Trust in changes: both the author of the pull request and the pusher of its head must be trusted.
Both are users named by the forge; the author in the commit's metadata is ignored."""

from __future__ import annotations

from dataclasses import dataclass

from bot.engine.job import CheckJob
from bot.engine.rendering import say
from bot.forge.protocol import Forge
from bot.forge.values import ForgeRefusedError
from bot.report.phrase import to_text
from bot.settings.operation import BuildSettings

_TRUSTED_ROLES = ("triage", "write", "maintain", "admin")


@dataclass(frozen=True, slots=True)
class Trust:
    """The trust in a change; if it is not trusted, `why` is a sentence on who lacks a role.

    `problem` is the forge's error if it refused to say.
    """

    trusted: bool
    why: str = ""
    problem: str = ""


async def trust_in(job: CheckJob, forge: Forge, build: BuildSettings) -> Trust:
    """The trust in the head commit of a job, by current roles on the forge.

    It is trusted if somebody allowed it, or if its author and its pusher both are: by a role of
    triage or above, or by the settings. Raises the forge's errors except refusals.
    """
    # `allowed` is for the job's commit alone.
    if job.allowed or "*" in build.trusted:
        return Trust(True)
    try:
        missing = await _missing(job, forge, build, job.author)
        if missing:
            return Trust(False, missing)
        pusher = await pusher_of(job, forge)
        if not same_user(pusher, job.author):
            missing = await _missing(job, forge, build, pusher, "who pushed the head commit")
    except ForgeRefusedError as error:
        return Trust(False, to_text(say.trust_unknown(problem=error.what)), str(error))
    return Trust(not missing, missing)


async def pusher_of(job: CheckJob, forge: Forge) -> str:
    """The user who pushed the head commit of a job, by its delivery, else by the forge.

    If the forge names nobody, only members of the repository can have pushed, and the author is
    returned.
    """
    if job.pusher:
        return job.pusher
    return await forge.pusher_of(job.key, job.head_sha) or job.author


def same_user(first: str, second: str) -> bool:
    """Return whether two user names are of one user: forges ignore case."""
    return first.casefold() == second.casefold()


async def _missing(
    job: CheckJob, forge: Forge, build: BuildSettings, user: str, what: str = ""
) -> str:
    """A sentence on the role that a user lacks; empty where the user is trusted."""
    if any(same_user(user, name) for name in build.trusted):
        return ""
    role = await forge.role_of(job.key, user)
    if role in _TRUSTED_ROLES or await _is_in_a_team(job, forge, build, user):
        return ""
    has = "no role" if role == "none" else f"the role {role}"
    return to_text(say.not_trusted(user=user, part=what, role=has))


async def _is_in_a_team(job: CheckJob, forge: Forge, build: BuildSettings, user: str) -> bool:
    for name in build.trusted:
        # No forge allows a slash in a user name.
        if "/" in name and await forge.is_member(job.key, name, user):
            return True
    return False
