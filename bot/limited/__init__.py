"""Calls of functions that read untrusted bytes, in a process of its own with limits."""
