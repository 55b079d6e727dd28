"""The server's settings: one YAML file, validated with places of errors; secrets are references
only.

`config/bot.yaml` is the example that shows every field. Paths are relative to the settings file.
"""
