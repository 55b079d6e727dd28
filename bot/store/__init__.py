"""The store: deliveries, checks and comments, in one SQLite file on the server's machine."""

from bot.store.deliveries import Delivery, DeliveryState, NewDelivery, Receipt
from bot.store.store import CheckRecord, CommentRecord, Store, StoreError, now, open_store

__all__ = [
    "CheckRecord",
    "CommentRecord",
    "Delivery",
    "DeliveryState",
    "NewDelivery",
    "Receipt",
    "Store",
    "StoreError",
    "now",
    "open_store",
]
