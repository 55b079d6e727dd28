"""The values that every room shares. They import nothing of the rooms.

Names are imported when they are first used: a cold command must not pay for what it does not use.
"""
