"""Outbound connections: the proxy of a URL, the authorities that are trusted, sessions of both."""
