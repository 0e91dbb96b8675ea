"""What each role of a method loads."""

from tests.methods.toy_segmentation import network, options
from vergence.methods.three_ways_config import ThreeWaysConfig


def test_what_each_role_loads() -> None:
    run = options()
    semi = ThreeWaysConfig(network=network(), depth="truth")
    assert semi.roles["labelled"].frame_options(run).offsets == ()
    assert semi.roles["unlabelled"].frame_options(run).load_estimate
    assert not semi.roles["labelled"].frame_options(run).load_estimate
    online = ThreeWaysConfig(network=network(), depth="online", multi_task=True)
    assert online.roles["unlabelled"].frame_options(run).offsets == (-1, 1)
    assert not online.roles["unlabelled"].frame_options(run).load_estimate
    assert [role.depth_port for role in online.roles.values()] == ["", ""]
    assert list(ThreeWaysConfig(network=network(), teacher=False).roles) == ["labelled"]
