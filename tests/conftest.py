"""What the markers mean: a test for a device or a browser runs where there is one."""

import pytest
import torch

from benchmarks.browser import CHROMIUM


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
