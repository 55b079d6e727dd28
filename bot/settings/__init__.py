"""The server's settings: one YAML file, errors with places, secrets as references only.

`config/bot.yaml` is the example that shows every field. Paths are relative to the settings file.
"""
