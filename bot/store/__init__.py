"""The store: deliveries, checks and comments, in one SQLite file on the server's machine."""

from bot.store.commands import Commands, Decision, DecisionKind, HeardCommand, Outcome
from bot.store.deliveries import Delivery, DeliveryState, NewDelivery, Receipt
from bot.store.store import CheckRecord, CommentRecord, Store, StoreError, now, open_store

__all__ = [
    "CheckRecord",
    "Commands",
    "CommentRecord",
    "Decision",
    "DecisionKind",
    "Delivery",
    "DeliveryState",
    "HeardCommand",
    "NewDelivery",
    "Outcome",
    "Receipt",
    "Store",
    "StoreError",
    "now",
    "open_store",
]
