"""The aiohttp application: webhooks in, pages and JSON out; and the processes that run the bot."""

from bot.web.application import Health, make_application
from bot.web.intake import Intake
from bot.web.serve import Bot, requeue_worker, run_worker, serve_bot

__all__ = [
    "Bot",
    "Health",
    "Intake",
    "make_application",
    "requeue_worker",
    "run_worker",
    "serve_bot",
]
