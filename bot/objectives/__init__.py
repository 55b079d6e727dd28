"""Objectives and history: the state of every image, its changes, and the state of objectives."""
