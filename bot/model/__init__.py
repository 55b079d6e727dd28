"""The values that all rooms share; they import nothing of the rooms.

Names are imported on first use, so that a cold command loads only what it needs.
"""
