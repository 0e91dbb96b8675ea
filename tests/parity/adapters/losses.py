"""Losses of the official programs."""

import torch

from tests.parity.registry import Case, operation
from vergence.losses.photometric import photometric_error, ssim_distance
from vergence.losses.smoothness import edge_aware_smoothness


@operation("monodepth2.ssim")
def ssim(inputs: dict, params: dict, case: Case) -> dict:
    x, y = torch.from_numpy(inputs["x"]).requires_grad_(), torch.from_numpy(inputs["y"])
    distance = ssim_distance(x, y)
    (gradient,) = torch.autograd.grad(distance.mean(), x)
    return {"ssim_loss": distance.detach().numpy(), "grad_x": gradient.numpy()}


@operation("monodepth2.reprojection_loss")
def reprojection(inputs: dict, params: dict, case: Case) -> dict:
    prediction, target = torch.from_numpy(inputs["pred"]).requires_grad_(), torch.from_numpy(inputs["target"])
    error = photometric_error(prediction, target, ssim_weight=0.0 if params.get("no_ssim") else 0.85)
    (gradient,) = torch.autograd.grad(error.mean(), prediction)
    return {"loss": error.detach().numpy(), "grad_pred": gradient.numpy()}


@operation("monodepth2.smooth_loss")
def smoothness(inputs: dict, params: dict, case: Case) -> dict:
    disparity = torch.from_numpy(inputs["disp"]).requires_grad_()
    loss = edge_aware_smoothness(
        disparity, torch.from_numpy(inputs["img"]), normalise=params.get("mean_normalise", False)
    )
    (gradient,) = torch.autograd.grad(loss, disparity)
    return {"loss": loss.detach().numpy(), "grad_disp": gradient.numpy()}
