"""GitHub: webhooks, comments, statuses, roles and issues."""
