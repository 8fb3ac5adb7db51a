"""Leaves the image for GPUs out unless it is asked for: it takes minutes and gigabytes."""

import os

import pytest

IMAGE, ASKED = "worker-gpu", "FOURTOWER_GPU_IMAGE"
LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config, items):
    left = [item for item in items if item.path.parent.name == "images" and f"[{IMAGE}]" in item.name]
    if not left or os.environ.get(ASKED):
        return
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
    config.stash[LEFT_OUT] = len(left)


def pytest_report_collectionfinish(config):
    if LEFT_OUT in config.stash:
        return f"images: {config.stash[LEFT_OUT]} tests of {IMAGE} are left out; {ASKED}=yes builds it, too"
    return []
