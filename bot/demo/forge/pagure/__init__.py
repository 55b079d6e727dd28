"""Pagure's REST API and webhooks on the local forge."""
