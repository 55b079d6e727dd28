"""A check's report: JSON, Markdown for a comment, HTML for a page, text for a terminal.

Importing this room is cheap: jinja2 and rich are loaded only by the renderers that need them.
"""
