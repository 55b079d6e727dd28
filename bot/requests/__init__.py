"""Readers of request files (files that say what an image asks for), and their differences."""
