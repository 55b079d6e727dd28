"""A history of one image in two runs: `lib` grows, and `extra` comes with it."""

from pathlib import Path

from tests.objectives.worlds import Thing, World


def track_twice(root: Path) -> None:
    """Record both runs, with an objective, in the data below a folder."""
    world = World(root)
    world.workload("app", "lib")
    world.objective("small", "app", "limits: {packages: 1}")
    with world.history() as history:
        world.publish(Thing("lib"))
        world.track(history)
        world.publish(Thing("lib", 2, 25, ("extra",)), Thing("extra", 1, 100))
        world.track(history)
