"""The engine: durable runs of checks on DBOS, their triggers and their results."""
