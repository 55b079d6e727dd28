"""Logs, metrics and traces: what a running bot tells of itself."""
