"""Functions that read strangers' bytes, called in a process of their own that has limits."""
