"""Configuration documents, repositories, snapshots, downloads and the cache.

Names are imported on first use: a cold command must not pay for pydantic or urllib3.
"""
