"""Builds: what no reading of a spec file can find, the packages themselves.

Light to import: the names below load their modules when they are first used.
"""
