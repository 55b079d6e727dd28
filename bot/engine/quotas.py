"""Hourly quotas: checks of an author and of a repository, and questions of a user.

Checks and questions run code and solve images: without limits one user could occupy the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.engine.rendering import say
from bot.errors import MinimizeError
from bot.forge.values import PullRequest
from bot.report.phrase import to_text
from bot.report.template import Template
from bot.settings.values import Limits
from bot.store.store import Store, utc_text

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Excess:
    """A used-up quota: a sentence, and the seconds until it allows more."""

    sentence: str
    seconds: float


class QuotaError(MinimizeError):
    """Raised for a check that has to wait for its quota, `seconds` long."""

    def __init__(self, excess: Excess) -> None:
        super().__init__(excess.sentence)
        self.seconds = excess.seconds


class Quotas:
    """The quotas of the settings, counted in the store. Methods block."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def of_check(self, pull: PullRequest) -> Excess | None:
        """The quota that another check of a pull request would exceed; null if none."""
        forge, repository = pull.key.forge, pull.key.repository
        return self._excess(
            "checks where forge = ? and author = ? and created",
            [forge, pull.author],
            (pull.author, self._limits.author_checks, say.author_checks),
        ) or self._excess(
            "checks where forge = ? and repository = ? and created",
            [forge, repository],
            (repository, self._limits.repository_checks, say.repository_checks),
        )

    def of_question(self, forge: str, user: str) -> Excess | None:
        """The quota that another command of a user would exceed; null if none."""
        return self._excess(
            "commands where forge = ? and user = ? and outcome = 'taken' and heard",
            [forge, user],
            (user, self._limits.user_questions, say.user_questions),
        )

    def _excess(
        self, rows: str, values: Sequence[str], quota: tuple[str, int, Template]
    ) -> Excess | None:
        name, most, sentence = quota
        now = datetime.now(UTC)
        column = rows.rpartition(" ")[2]
        # The one whose hour must end first, if the quota is used up.
        times = self._store.rows(
            f"select {column} as at from {rows} > ? order by {column} desc limit 1 offset ?",
            [*values, utc_text(now - HOUR), most - 1],
        )
        if not times:
            return None
        free = datetime.fromisoformat(times[0]["at"]) + HOUR
        whole = sentence(user=name, most=most, time=f"{free:%H:%M}")
        return Excess(to_text(whole), max(1.0, (free - now).total_seconds()))
