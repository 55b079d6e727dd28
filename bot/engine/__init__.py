"""The engine: durable runs of checks on DBOS, what starts them, and what they came to."""
