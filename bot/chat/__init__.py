"""The `/minimize` commands in comments: parsing, permissions and answers.

Names are imported when they are first used: solving is heavy to load.
"""
