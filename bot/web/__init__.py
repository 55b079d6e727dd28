"""The aiohttp application: webhooks, pages and JSON; and the processes that run the bot."""
