"""The run of `minimize demo`: a pull request and its effects, on this machine alone."""
