"""Metrics and protocols of the official programs."""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F

from tests.parity.registry import Case, operation
from vergence.evaluation.depth_scores import Scores
from vergence.metrics.depth import (
    DEPTH_METRICS,
    depth_errors,
    flip_postprocess,
    garg_crop,
    median,
    score_inverse_depth,
)
from vergence.metrics.odometry import ate_sfmlearner, chain_poses
from vergence.settings.protocols import PROTOCOLS

STEREO_SCALE = 5.4  # of the official program


@operation("monodepth2.depth_errors")
def errors(inputs: dict, params: dict, case: Case) -> dict:
    truth, prediction = torch.from_numpy(inputs["gt"]), torch.from_numpy(inputs["pred"])
    got = depth_errors(truth, prediction).numpy()
    return {"errors_torch": got, "errors_numpy": got.astype(np.float64)}


@operation("monodepth2.eval_protocol")
def eval_protocol(inputs: dict, params: dict, case: Case) -> dict:
    """A factor multiplies depth before median scaling, or stands in its place."""
    protocol = PROTOCOLS["eigen" if params["eval_split"] == "eigen" else "improved"]
    factor, unscaled = float(params.get("pred_depth_scale_factor", 1)), params.get("disable_median_scaling", False)
    if params.get("stereo"):
        factor, unscaled = STEREO_SCALE, True
    predictions = torch.from_numpy(inputs["pred_disp"])
    if unscaled:
        protocol = dataclasses.replace(protocol, scale=factor)
    else:
        predictions = predictions / factor
    truths = [torch.from_numpy(inputs[f"gt_{index}"]) for index in range(len(predictions))]
    scores = [score_inverse_depth(p, t, protocol) for p, t in zip(predictions, truths, strict=True)]
    gathered = Scores("trained")
    for index, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        gathered.add(str(index), prediction, truth.numpy(), protocol)
    means = [gathered.summary()[name] for name in DEPTH_METRICS]
    ratios = torch.stack([score.ratio for score in scores])
    return {
        "errors": torch.stack([score.errors for score in scores]).numpy(),
        "n_pixels": np.array([int(score.pixels) for score in scores]),
        "mean_errors": np.array(means),
        "ratios": ratios.numpy(),
        "ratio_median": median(ratios).numpy(),
    }


@operation("monodepth2.post_process_disparity")
def post_process(inputs: dict, params: dict, case: Case) -> dict:
    plain, mirrored = (torch.from_numpy(inputs[name])[:, None].double() for name in ("l_disp", "r_disp"))
    return {"disp": flip_postprocess(plain, mirrored)[:, 0].numpy()}


@operation("monodepth2.training_depth_metrics")
def training_metrics(inputs: dict, params: dict, case: Case) -> dict:
    """What the official program watches during training: one (lower) median over the batch, depth resized."""
    depth, measured = (torch.from_numpy(inputs[name]) for name in ("depth_pred", "depth_gt"))
    resized = F.interpolate(depth, size=measured.shape[-2:], mode="bilinear", align_corners=False).clamp(1e-3, 80)
    mask = (measured > 0) & garg_crop(measured)
    truth, prediction = measured[mask], resized[mask]
    prediction = prediction * (truth.median() / prediction.median())
    return {"errors": depth_errors(truth, prediction.clamp(1e-3, 80)).numpy()}


@operation("monodepth2.odometry_ate")
def odometry_ate(inputs: dict, params: dict, case: Case) -> dict:
    rows = inputs["gt_poses"]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = rows
    truth = np.linalg.inv(np.linalg.inv(poses[:-1]) @ poses[1:])
    prediction = inputs["pred_poses"].astype(np.float64)
    ates = ate_sfmlearner(truth, prediction)
    return {
        "ates": ates,
        "mean_std": np.array([ates.mean(), ates.std()]),
        "xyz_first_snippet": chain_poses(prediction[:4])[:, :3, 3],
    }
