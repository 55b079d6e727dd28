"""A local forge that speaks GitHub's REST API, git over HTTP and signed webhooks.

It is what `minimize demo` and the tests have in the place of GitHub: nothing leaves the loopback.
"""

from bot.demo.forge.deliveries import Delivery
from bot.demo.forge.gitstore import BareRepository
from bot.demo.forge.server import LocalForge
from bot.demo.forge.state import (
    App,
    Change,
    CheckRun,
    Comment,
    CommitStatus,
    Installation,
    Pull,
    Repository,
    User,
)

__all__ = [
    "App",
    "BareRepository",
    "Change",
    "CheckRun",
    "Comment",
    "CommitStatus",
    "Delivery",
    "Installation",
    "LocalForge",
    "Pull",
    "Repository",
    "User",
]
