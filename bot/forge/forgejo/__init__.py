"""Forgejo and Gitea: webhooks, comments, commit statuses, roles and issues."""
