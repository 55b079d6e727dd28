"""The store: deliveries, checks, comments and history, in one SQLite file of the server."""

# The name of its file in the data directory.
FILE = "minimize.sqlite"
