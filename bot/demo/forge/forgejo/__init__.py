"""Forgejo's REST API and webhooks on the local forge; Gitea's are the same."""
