"""Git: commits, trees and files of repositories nobody here trusts, without running their code.

Hooks, filters, submodules and LFS smudging never run; nothing is checked out through git itself.
"""

from bot.git.command import GitError
from bot.git.mirror import GitCredential, GitMirror, open_mirror
from bot.git.repository import (
    WORKING_TREE,
    ChangedFile,
    GitRepository,
    Materialized,
    TreeEntry,
    open_repository,
)

__all__ = [
    "WORKING_TREE",
    "ChangedFile",
    "GitCredential",
    "GitError",
    "GitMirror",
    "GitRepository",
    "Materialized",
    "TreeEntry",
    "open_mirror",
    "open_repository",
]
