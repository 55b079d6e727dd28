"""The aiohttp application: webhooks in, pages and JSON out; and the processes that run the bot."""
