"""Objectives and history: the state of every image, what changed it, and the state of objectives.

Names are imported on first use, so that a cold command loads only what it needs. `track` and
`evaluate` are also the names of their modules, so they are imported from there.
"""
