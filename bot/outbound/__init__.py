"""Outbound connections: proxies, trusted certificate authorities, and sessions with both."""
