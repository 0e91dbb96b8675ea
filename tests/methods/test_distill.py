"""The student of data selection: its loss, its network as published, and bad settings."""

import torch

from vergence.data.frame_options import FrameOptions
from vergence.losses.depth import berhu
from vergence.methods.distill import DistillMethod
from vergence.methods.distill_config import DistillConfig
from vergence.settings.networks import DepthNetworkConfig

OPTIONS = FrameOptions(height=64, width=96)


SMALL = DepthNetworkConfig(encoder="mobilenetv3_small_050", weights="none", decoder_widths=(4, 4, 8, 8, 8), scales=(0,))


def batch() -> dict:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 3, 64, 96)
    return {"unlabelled": {"frames": images, "jittered": images, "estimate": torch.rand(2, 1, 64, 96)}}


def test_loss_is_berhu_above_the_car() -> None:
    method = DistillMethod(DistillConfig(network=SMALL), OPTIONS).eval()
    batches = batch()
    prediction = method.predict(batches["unlabelled"]["frames"][:, 0])["disparity"]
    mask = torch.ones_like(prediction)
    mask[..., int(0.9 * 64) :, :] = 0
    loss = method(batches, 0)["estimate"]
    torch.testing.assert_close(loss, berhu(prediction, batches["unlabelled"]["estimate"], mask))
    batches["unlabelled"]["estimate"][..., 57:, :] = 100
    torch.testing.assert_close(method(batches, 0)["estimate"], loss)


def test_golden_fact_24_row_460_of_512() -> None:
    assert int((1 - DistillConfig().ignored_bottom) * 512) == 460


def test_it_learns() -> None:
    torch.manual_seed(0)
    method = DistillMethod(DistillConfig(network=SMALL), OPTIONS)
    groups = method.parameter_groups()
    assert [group["name"] for group in groups] == ["encoder", "decoder"]
    assert sum(len(group["params"]) for group in groups) == len(list(method.parameters()))
    optimizer = torch.optim.Adam(groups, lr=3e-3)
    batches = batch()
    batches["unlabelled"]["estimate"] = torch.linspace(0, 1, 64)[:, None].expand(2, 1, 64, 96).contiguous()
    losses = []
    for step in range(25):
        loss = method(batches, step)["estimate"]
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
