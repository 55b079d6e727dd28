"""GitLab: webhooks, comments, statuses, roles and issues."""
