"""Forges: webhooks in, comments and statuses out. One interface (`protocol`), one package for each
forge.

`FORGE_TYPES` of the settings lists them: a new forge is a package and its row there.
"""
