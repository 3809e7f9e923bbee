"""What all tests share."""

from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more about the machine's other work than about ours.
hypothesis.settings.register_profile(
    "whatsflow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whatsflow")


@pytest.fixture
def root() -> Path:
    """The top of the source tree."""
    return ROOT
