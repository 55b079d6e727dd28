"""A command that came while nobody listened is carried out, and one that was heard only once."""

from __future__ import annotations

from typing import Any

from bot.engine.missed_events import comment_delivery
from bot.forge.events import CommentEvent
from tests.engine.conftest import KEY

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


async def test_a_found_command_is_answered_and_its_late_webhook_not_again(bot: Any) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    event = CommentEvent(
        KEY, "41", "maria", "maria", False, "/minimize help", "created", "2026-01-01T00:00:00Z"
    )
    bot.store.add_deliveries([comment_delivery(event)])
    assert await bot.dispatcher.handle_new() == 1
    await bot.until(lambda: len(bot.forge.answers()) == 1)
    late = await bot.comment("/minimize help", updated="2026-01-01T00:00:00Z")
    assert late == ("ignored", "The comment has no new command.")
    await bot.settled()
    assert len(bot.forge.answers()) == 1
