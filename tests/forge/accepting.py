"""Deliveries as a forge accepts them: verified, then read; without a forge of the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.forge.bodies import Verification
from bot.forge.github import events as github
from bot.forge.github.webhooks import begin as begin_github
from bot.forge.gitlab import events as gitlab
from bot.forge.gitlab.webhooks import HookSecrets
from bot.forge.gitlab.webhooks import begin as begin_gitlab
from bot.store.records import NewDelivery


def _verified(verification: Verification, body: bytes) -> None:
    verification.update(body)
    verification.finish()


def accept_github(
    forge: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes
) -> NewDelivery:
    _verified(begin_github(secrets, headers), body)
    return github.read_delivery(forge, headers, body)


def accept_gitlab(
    forge: str,
    secrets: HookSecrets,
    web_url: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> NewDelivery:
    _verified(begin_gitlab(secrets, headers, now), body)
    return gitlab.read_delivery(forge, web_url, headers, body)
