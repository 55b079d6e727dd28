"""The sandbox: what untrusted code may see and use (bubblewrap).

Untrusted is whatever a change's author wrote: `%(shell)` and Lua of a spec file, the build itself,
scriptlets. It sees no network, no secrets, no home, no environment but a given one, a read-only
view of the directories it needs, and it is limited in time, memory, processes and output.
"""

from bot.sandbox.available import require_sandbox, sandbox_available
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Finished, Limit, Limits, SandboxError

__all__ = [
    "Bind",
    "Finished",
    "Limit",
    "Limits",
    "SandboxError",
    "require_sandbox",
    "run_sandboxed",
    "sandbox_available",
]
