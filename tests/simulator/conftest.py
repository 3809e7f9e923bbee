from collections.abc import Iterator

import pytest

from tests.simulator.alone import StandAlone
from tests.simulator.receiver import Receiver


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[StandAlone]:
    simulator = StandAlone(tmp_path_factory.mktemp("simulator"), receiver.url)
    yield simulator
    simulator.stop()
