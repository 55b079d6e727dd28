"""Evaluates spec files in the sandbox, predicts overlays, and finds the lines that state
dependencies."""
