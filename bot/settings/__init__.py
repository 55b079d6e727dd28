"""The server's settings: one YAML file, checked with its places; secrets are references only.

`config/bot.yaml` is the example that shows every field. Paths are relative to the settings file.
"""
