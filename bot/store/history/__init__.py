"""History: what every image was, day by day, what moved it, and how its objectives stood.

It lives in the store's file and is written under the store's lock; reading has a connection of its
own. Closures are kept as differences: a package's stay in an image is one row.
"""

from bot.store.history.history import History, open_history
from bot.store.history.image_queries import ImageQueries
from bot.store.history.recording import Moved, Same
from bot.store.history.values import (
    WEAK,
    Acceptance,
    Cause,
    ClosureFacts,
    Contents,
    DriftIssue,
    Evaluated,
    Evaluation,
    HistoryImage,
    KeptFile,
    Link,
    Member,
    MergedChange,
    MergedEffect,
    Moves,
    ObjectiveState,
    Place,
    Point,
    Run,
    Step,
)

__all__ = [
    "WEAK",
    "Acceptance",
    "Cause",
    "ClosureFacts",
    "Contents",
    "DriftIssue",
    "Evaluated",
    "Evaluation",
    "History",
    "HistoryImage",
    "ImageQueries",
    "KeptFile",
    "Link",
    "Member",
    "MergedChange",
    "MergedEffect",
    "Moved",
    "Moves",
    "ObjectiveState",
    "Place",
    "Point",
    "Run",
    "Same",
    "Step",
    "open_history",
]
