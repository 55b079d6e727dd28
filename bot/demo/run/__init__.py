"""The run of `minimize demo`: the whole way of a pull request, on this machine alone."""
