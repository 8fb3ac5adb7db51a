"""A whole life of two ingesters, from the first record to the last commit, with everything that can go wrong."""

import random

from tests.ingest.flow import oracle
from tests.ingest.flow.catalog import USUAL as USUAL_MIX
from tests.ingest.flow.catalog import Mix, logs
from tests.ingest.flow.world import USUAL, World

MANY_PATCHES = Mix(bad=0.2, patches=0.7, deletes=0.05, versions=3, rising=True)
FEW_VERSIONS = Mix(patches=0.3, versions=3, repeats=0.1)
SLOW_BURIALS = USUAL._replace(burying=0.8, restart=0.02, crash=0.01)


def simulate(seed, *, length=25, steps=400, faults=USUAL, mix=USUAL_MIX):
    """Raises AssertionError where something is wrong."""
    rng = random.Random(seed)
    world = World(rng, logs(rng, length, mix), faults)
    world.run(steps // 2)
    if rng.random() < 0.3:
        world.strike(120)
    world.run(steps // 2)
    world.settle()
    oracle.check_end(world.logs, world.committed, world.workers.index, world.graveyard)
    assert all(member.flow.idle() for member in world.members)
    return world
