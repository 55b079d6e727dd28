"""The local forge as a GitLab: the same repositories and users, by GitLab's REST API v4."""
