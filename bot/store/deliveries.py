"""Webhook deliveries as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DeliveryState = Literal["new", "done", "ignored", "failed"]


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A verified delivery. `delivery` is the forge's id for it, `object` what it carries."""

    forge: str
    event: str
    delivery: str
    body: bytes
    object: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receipt of a new delivery: its row, and whether it (or its object) was there before."""

    id: int
    repeat: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery. `received` is RFC 3339; `attempts` counts failed tries."""

    id: int
    forge: str
    event: str
    delivery: str
    received: str
    body: bytes
    state: DeliveryState
    reason: str | None
    attempts: int
