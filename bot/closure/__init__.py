"""Closures: the packages of an image and the reasons for them; solved by libsolv, as in dnf.

Names are imported on first use, so that a cold command loads only what it needs.
"""
