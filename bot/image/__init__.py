"""Images: layers composed of packages' fragments, measured, and written as OCI layouts.

A layer is a sum of packages: a package's files become a piece of a tar archive once, compressed
with gzip and zstd, and a layer is such pieces one after the other. What scriptlets would have
added is not in it: they are the change author's code, and foreign architectures cannot run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.image.arrangement import FileConflictError
    from bot.image.compose import Composed, ComposedImage, compose_images
    from bot.image.layer import Layer, compose_layer, header_size, write_blob
    from bot.image.lock import ImageDescription, Lock, read_lock, write_lock
    from bot.image.measure import file_changes, layer_size
    from bot.image.nodocs import with_nodocs
    from bot.image.push import push_layout
    from bot.image.rpmheader import RefusedPackageError
    from bot.image.selection import Selection, installed_size_nodocs, selection_of

_MODULES = {
    "arrangement": ("FileConflictError",),
    "compose": ("Composed", "ComposedImage", "compose_images"),
    "layer": ("Layer", "compose_layer", "header_size", "write_blob"),
    "lock": ("ImageDescription", "Lock", "read_lock", "write_lock"),
    "rpmheader": ("RefusedPackageError",),
    "measure": ("file_changes", "layer_size"),
    "nodocs": ("with_nodocs",),
    "push": ("push_layout",),
    "selection": ("Selection", "installed_size_nodocs", "selection_of"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = [
    "Composed",
    "ComposedImage",
    "FileConflictError",
    "ImageDescription",
    "Layer",
    "Lock",
    "RefusedPackageError",
    "Selection",
    "compose_images",
    "compose_layer",
    "file_changes",
    "header_size",
    "installed_size_nodocs",
    "layer_size",
    "push_layout",
    "read_lock",
    "selection_of",
    "with_nodocs",
    "write_blob",
    "write_lock",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
