"""The smallest image for a request, and the best edits: an exact optimisation over a pool."""
