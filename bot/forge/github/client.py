"""GitHub's REST API: the version of it that we read, and its errors.

Facts: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
best-practices-for-using-the-rest-api (Retry-After, x-ratelimit-reset, secondary limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from bot.forge.rest import RestClient, errors_of

# https://docs.github.com/en/rest/about-the-rest-api/api-versions
API_VERSION = "2022-11-28"


class GitHubClient(RestClient):
    """GitHub's API."""

    forge = "GitHub"
    headers: ClassVar[Mapping[str, str]] = {"x-github-api-version": API_VERSION}


errors_as_ours = partial(
    errors_of,
    "GitHub",
    "See that the App or token may read the repository and write comments and statuses.",
)
