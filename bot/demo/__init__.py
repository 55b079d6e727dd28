"""What `minimize demo` and the tests stand on: a small distribution, a local forge."""
