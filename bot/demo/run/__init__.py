"""What `minimize demo` does: the whole way of a pull request, on this machine alone."""

from bot.demo.run.demo import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
