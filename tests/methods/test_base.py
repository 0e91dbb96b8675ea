"""What a method is to the engine."""

import pytest
import torch
from torch import nn

from vergence.errors import InputError
from vergence.methods.base import Method, groups_of, trainable
from vergence.methods.config import MethodConfig


class Small(Method):
    settings = MethodConfig

    def __init__(self) -> None:
        super().__init__()
        self.config = MethodConfig()
        self.body, self.head = nn.Linear(2, 3), nn.Linear(3, 1, bias=False)

    def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"disparity": images[:, :1]}


def test_frozen_parameters_are_in_no_group_and_empty_parts_have_none() -> None:
    method = Small()
    method.body.weight.requires_grad_(False)
    assert [parameter is method.body.bias for parameter in trainable(method.body)] == [True]
    groups = groups_of({"body": [method.body, method.head], "nothing": []})
    assert [(group["name"], [value.shape for value in group["params"]]) for group in groups] == [
        ("body", [(3,), (1, 3)])
    ]
    method.requires_grad_(False)
    assert groups_of({"body": [method.body]}) == []


def test_what_a_method_need_not_say() -> None:
    method = Small()
    images = torch.rand(1, 3, 2, 2)
    assert method.tasks == ("depth",)
    torch.testing.assert_close(method.predict_small(images)["disparity"], images[:, :1])
    assert method.remark({"loss": 1.0}) == ""
    assert method.training_pictures({}).pictures == []
    assert (method.scale, method.metres_per_unit) == ("unscaled", 1.0)


def test_frames_cannot_be_compared_without_a_network() -> None:
    with pytest.raises(InputError, match="Small does not say what frames are compared by"):
        Small().frame_features(torch.rand(1, 3, 2, 2))
