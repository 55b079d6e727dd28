"""The server's settings: one YAML file, checked with its places; secrets are references only.

`config/bot.yaml` is the example that shows every field. Paths are relative to the settings file.
"""

from bot.settings.fields import SecretReference
from bot.settings.forges import FORGE_TYPES, ForgeSettings, ForgeType, GitHubApp
from bot.settings.reading import SettingsError, load_settings
from bot.settings.values import (
    BuildSettings,
    EngineSettings,
    IssueSettings,
    Limits,
    Listen,
    PrivatePages,
    RepositoryRule,
    Settings,
    SnapshotSettings,
)

__all__ = [
    "FORGE_TYPES",
    "BuildSettings",
    "EngineSettings",
    "ForgeSettings",
    "ForgeType",
    "GitHubApp",
    "IssueSettings",
    "Limits",
    "Listen",
    "PrivatePages",
    "RepositoryRule",
    "SecretReference",
    "Settings",
    "SettingsError",
    "SnapshotSettings",
    "load_settings",
]
