"""Closures: what an image holds, and why; solved by libsolv, as dnf would install it.

Names are imported when they are first used, so that a cold command pays only for what it needs.
"""
