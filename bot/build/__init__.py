"""Builds of packages, for what cannot be known from reading a spec file.

Light to import: the names below load their modules on first use.
"""
