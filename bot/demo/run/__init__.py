"""The run of `minimize demo`: a pull request from its opening to its effects, on this machine
alone."""
