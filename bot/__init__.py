"""minimize: what a change to an RPM package adds to minimal container images, and why."""

__version__ = "0.1.0"
