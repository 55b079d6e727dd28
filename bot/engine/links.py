"""The addresses of checks, for comments and statuses; those of private repositories are signed."""

from __future__ import annotations

import hashlib
import re
import time
from urllib.parse import urlencode

from itsdangerous import BadSignature, TimestampSigner

from bot.engine.job import CheckJob
from bot.errors import UsageError
from bot.settings.values import Settings

# The query's field that has the token of a signed link.
LINK_FIELD = "key"
_DAY = 86_400
# Characters of a key: as many as a SHA-256 in base64 without its end, fewer than in hexadecimal.
_SHORTEST = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SALT = b"minimize check page 1"


class _DailySigner(TimestampSigner):
    """Knows only days: all links made on one day are the same, so a status that is set twice, and
    a comment that is written twice, say the same."""

    def get_timestamp(self) -> int:
        """The beginning of today in UTC, in seconds since 1970."""
        return int(time.time()) // _DAY * _DAY


class LinkKeys:
    """Signs checks, and knows its own signatures. A signature opens one check and nothing else."""

    def __init__(self, keys: tuple[str, ...], days: int) -> None:
        """`keys`: the newest first, it signs. UsageError for one that could be guessed."""
        if any(len(key) < _SHORTEST for key in keys):
            raise UsageError(
                f"A key of private_pages is shorter than {_SHORTEST} characters.",
                "Make one with: openssl rand -hex 32",
            )
        self.seconds = days * _DAY
        # itsdangerous wants the newest last; it compares in constant time.
        self._signer = _DailySigner(
            list(reversed(keys)), salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256
        )

    @classmethod
    def of(cls, settings: Settings) -> LinkKeys | None:
        """The keys of the settings, null if they have none; UsageError if one is not there."""
        pages = settings.private_pages
        return None if pages is None else cls(tuple(k.value() for k in pages.keys), pages.days)

    def token(self, check: str) -> str:
        """The token in a link to this check: letters, digits, `-`, `_` and a dot."""
        return self._signer.sign(check).decode()[len(check) + 1 :]

    def opens(self, check: str, token: str) -> bool:
        """Return whether a token was made by one of the keys for this check, and is not too old."""
        # base64 passes over foreign characters; who puts the token in a header must not.
        if _TOKEN.fullmatch(token) is None:
            return False
        try:
            return self._signer.unsign(f"{check}.{token}", self.seconds) == check.encode()
        except BadSignature:
            return False


class CheckLinks:
    """Where a check is shown. Nothing of a private repository without keys, or without a URL."""

    def __init__(self, public_url: str | None, keys: LinkKeys | None) -> None:
        self._public_url = public_url
        self._keys = keys

    def page(self, job: CheckJob) -> str | None:
        """The check's own page."""
        return self._of(job, "")

    def log(self, job: CheckJob, number: int) -> str | None:
        """The log of the check's build `number`, from 0."""
        return self._of(job, f"/logs/{number}")

    def _of(self, job: CheckJob, part: str) -> str | None:
        if self._public_url is None or (job.private and self._keys is None):
            return None
        url = f"{self._public_url}/checks/{job.id}{part}"
        if not job.private or self._keys is None:
            return url
        return f"{url}?{urlencode({LINK_FIELD: self._keys.token(job.id)})}"
