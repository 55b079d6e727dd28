"""The local forge as a GitHub: its REST API, its JSON objects, its webhooks."""
