"""What the markers mean, how many cores a test has, and what it draws."""

import os

import pytest
import torch

from benchmarks.browser import CHROMIUM


def pytest_configure() -> None:
    """Tests that run side by side share the cores, rather than each asking for all of them."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // beside))


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws from torch's own generator does not depend on those before it."""
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = {}
    if not torch.cuda.is_available():
        missing["gpu"] = "needs a CUDA device"
    if CHROMIUM is None:
        missing["browser"] = "needs Chromium: make browser"
    for item in items:
        for marker, reason in missing.items():
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))
