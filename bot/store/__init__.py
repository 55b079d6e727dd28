"""The store: deliveries, checks and comments, in one SQLite file on the server's machine."""

# The name of its file in the data directory.
FILE = "minimize.sqlite"
