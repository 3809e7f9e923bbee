"""What all tests share."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more about the machine's other work than about ours.
# What lands is judged by the same examples each time; on a developer's machine the search goes on.
hypothesis.settings.register_profile(
    "whatsflow",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("whatsflow")


@pytest.fixture
def root() -> Path:
    """The top of the source tree."""
    return ROOT
