"""Forges: webhooks in, comments and statuses out. One small interface, one module for each forge.

`FORGE_TYPES` of the settings is the table of them: a new forge is one module and its row there.
"""
