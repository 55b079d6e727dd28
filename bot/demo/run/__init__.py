"""What `minimize demo` does: the whole way of a pull request, on this machine alone."""
