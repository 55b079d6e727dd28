"""Objectives and history: what every image is today, what moved it, and how promises stand.

Names are imported when they are first used: a cold command must not pay for what it does not use.
`track` and `evaluate` are their modules' names too, so they are imported from there.
"""
