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

# The query parameter with the token of a signed link.
LINK_FIELD = "key"
_DAY = 86_400
# The least characters of a key: somewhat fewer than a SHA-256 takes in base64.
_SHORTEST = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SALT = b"minimize check page 1"


class _DailySigner(TimestampSigner):
    """A signer with days as its time: links made on one day are equal, so that setting a status or
    a comment again changes nothing."""

    def get_timestamp(self) -> int:
        """The beginning of today in UTC, in seconds since 1970."""
        return int(time.time()) // _DAY * _DAY


class LinkKeys:
    """Keys that sign links to checks and verify them. A signature is valid for one check alone."""

    def __init__(self, keys: tuple[str, ...], days: int) -> None:
        """`keys`: the newest first, which signs; `days`: how long links are valid. UsageError for a
        key that is too short."""
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
        """The keys of the settings, null if they name none; UsageError if one cannot be read."""
        pages = settings.private_pages
        return None if pages is None else cls(tuple(k.value() for k in pages.keys), pages.days)

    def token(self, check: str) -> str:
        """The token in a link to this check: letters, digits, `-`, `_` and a dot."""
        return self._signer.sign(check).decode()[len(check) + 1 :]

    def opens(self, check: str, token: str) -> bool:
        """Return whether one of the keys signed the token for this check, and it has not
        expired."""
        # Python's base64 ignores foreign characters, which must not get into a header.
        if _TOKEN.fullmatch(token) is None:
            return False
        try:
            return self._signer.unsign(f"{check}.{token}", self.seconds) == check.encode()
        except BadSignature:
            return False


class CheckLinks:
    """The addresses of checks; null without a public URL, or, if private, without keys."""

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
