"""The local forge as a GitLab: the same repositories and people, behind GitLab's REST API v4."""
