"""Pagure: webhooks, comments, flags of commits, roles and issues."""
