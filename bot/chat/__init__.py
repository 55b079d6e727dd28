"""The `/minimize` commands in comments: what is said, who may say it, and the answers.

Names are imported when they are first used: solving is heavy to load.
"""
