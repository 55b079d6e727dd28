"""Readers of files that say what an image asks for, and the difference between two of them."""
