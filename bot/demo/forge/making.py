"""Making a forge's repositories and Apps, with all that belongs to them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.demo.forge.gitstore import BareRepository
from bot.demo.forge.state import App, Repository, State, UserKind


def repository(
    state: State,
    root: Path,
    full_name: str,
    *,
    private: bool,
    default_branch: str,
    parent: Repository | None,
    owner_kind: UserKind,
) -> Repository:
    """An empty repository below `root`, or with `parent` a fork that has its branches.

    ValueError where GitHub would take no such name.
    """
    owner, _, name = full_name.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name.startswith("."):
        raise ValueError(f"not a repository: {full_name!r}")
    git = BareRepository.create(root / owner / f"{name}.git", default_branch)
    if parent is not None:
        git.fetch_from(parent.git, "refs/heads/*", "refs/heads/*")
    return Repository(
        next(state.ids), state.user(owner, owner_kind), name, git, private, default_branch, parent
    )


def app(
    state: State,
    slug: str,
    hook_url: str | None,
    secret: str | None,
    permissions: Mapping[str, str],
) -> App:
    """An App with a key of its own; without `secret` one is made for its deliveries."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return App(
        id=next(state.ids),
        slug=slug,
        client_id=f"Iv23{secrets.token_hex(8)}",
        bot=state.user(f"{slug}[bot]", "Bot"),
        private_key=private.decode(),
        public_key=public.decode(),
        secret=secret or secrets.token_hex(20),
        hook_id=next(state.ids),
        hook_url=hook_url,
        permissions=dict(permissions),
    )
