"""The forges that the settings name, opened by their type."""

from __future__ import annotations

from importlib import import_module

from bot.forge.protocol import Forge
from bot.settings.forges import FORGE_TYPES, ForgeSettings
from bot.settings.values import Settings


def open_forges(settings: Settings) -> dict[str, Forge]:
    """Open the forges of the settings, by their names there; UsageError if a secret is missing."""
    return {name: _open(name, forge) for name, forge in settings.forges.items()}


def _open(name: str, settings: ForgeSettings) -> Forge:
    # Imported here, so that only an installation with such a forge loads its client library.
    module = import_module(FORGE_TYPES[settings.type].module)
    forge: Forge = module.open_forge(name, settings)
    return forge
