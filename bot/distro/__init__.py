"""Configuration documents, repositories, snapshots, download and cache.

Names are imported when they are first used: a cold command must not pay for pydantic or urllib3.
"""
