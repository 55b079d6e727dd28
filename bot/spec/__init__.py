"""Sandboxed evaluation of spec files; predicted overlays; which line says what."""
