"""Losses, mixing, augmentation, teacher and metric of Three Ways; its ignored label is 250, ours 255."""

import math
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.adapters.method import photometric_losses
from tests.parity.registry import Case, Params, operation
from vergence.geometry.camera import disparity_to_depth
from vergence.losses.depth import berhu, feature_distance
from vergence.losses.segmentation import IGNORED_LABEL, cross_entropy, pixel_entropy, pseudo_labels
from vergence.methods.teacher import MeanTeacher
from vergence.metrics.segmentation import confusion_matrix, scores
from vergence.mixing.augment import CHANGES, ColorJitter, color_jitter, gaussian_blur
from vergence.mixing.masks import (
    classmix_mask,
    depth_band_mask,
    depth_histogram_mask,
    depth_threshold_mask,
    depthmix_mask,
)
from vergence.mixing.mix import mix
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import lr_factor

OFFICIAL_IGNORED = 250


def tensors(inputs: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value) for name, value in inputs.items()}


def ours(label: Tensor) -> Tensor:
    return label.masked_fill(label == OFFICIAL_IGNORED, IGNORED_LABEL)


def official(label: Tensor) -> Tensor:
    return label.masked_fill(label == IGNORED_LABEL, OFFICIAL_IGNORED)


def constant_draws(value: float) -> mock._patch:
    """Random numbers are this constant, as in the reference run."""
    return mock.patch("torch.rand", lambda shape, **_: torch.full(shape, value))


@operation("three_ways.berhu")
def berhu_loss(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    prediction = data["input"].requires_grad_()
    loss = berhu(prediction, data["target"], data["mask"], apply_log=params["apply_log"])
    (gradient,) = torch.autograd.grad(loss, prediction)
    return {"loss": loss.detach(), "grad_input": gradient}


@operation("three_ways.feature_distance_loss")
def feature_distance_loss(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    features = data["features"].requires_grad_()
    loss = params["feat_dist_lambda"] * feature_distance(features, data["imnet_features"])
    (gradient,) = torch.autograd.grad(loss, features)
    return {"loss": loss.detach(), "grad": gradient}


@operation("three_ways.cross_entropy2d")
def cross_entropy2d(inputs: dict, params: dict, case: Case) -> dict:
    """A single pixel weight that is not a number switches weighting off in the official code, and leaves its mean."""
    data = tensors(inputs)
    logits, weights = data["input"].requires_grad_(), data.get("pixel_weights")
    if weights is not None and (weights.isnan().any() or params.get("nan_weight")):
        weights = torch.ones_like(weights)
    loss = cross_entropy(logits, ours(data["target"]), data.get("class_weight"), weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    return {"loss": loss.detach(), "grad_input": gradient}


@operation("three_ways.pseudo_label_loss")
def pseudo_label_loss(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    logits = data["student_logits"].requires_grad_()
    label, _, share = pseudo_labels(data["teacher_softmax"])
    loss = params["consistency_weight"] * cross_entropy(logits, label, pixel_weight=share.expand(label.shape))
    (gradient,) = torch.autograd.grad(loss, logits)
    return {"loss": loss.detach(), "pseudo_label": official(label), "grad_student": gradient}


@operation("three_ways.pixel_entropy")
def entropy(inputs: dict, params: dict, case: Case) -> dict:
    found = pixel_entropy(tensors(inputs)["logits"])
    if params["normalize"]:
        found = (found - found.min()) / (found.max() - found.min())
    return {"entropy": found}


@operation("three_ways.monodepth_loss")
def monodepth_loss(inputs: dict, params: Params, case: Case) -> dict:
    found = photometric_losses(inputs, params.extended(frame_ids=[0, -1, 1]), case)
    _, depth = disparity_to_depth(torch.from_numpy(inputs["disp_0"]), 1e-3, 80.0)
    return {**found, "test_depth_0": depth}


@operation("three_ways.mix")
def mixing(inputs: dict, params: dict, case: Case) -> dict:
    """With half as many masks as images, neighbours are pairs, and the second half of the results the other choice."""
    data = tensors(inputs)
    mask = data["mask"][:, None]
    if params.get("half"):
        own, other = data["data"][0::2], data["data"][1::2]
        return {"data": torch.cat([mix(own, mask, other), mix(own, 1 - mask, other)])}
    return {"data": mix(data["data"], mask), "target": mix(data["target"], data["mask"])}


@operation("three_ways.mix_mask_class")
def mix_mask_class(inputs: dict, params: dict, case: Case) -> dict:
    """The draw is NumPy's, from its state: classes are chosen here, as the case's notes allow."""
    labels = ours(torch.from_numpy(inputs["argmax"]))
    random = np.random.RandomState(params["np_seed"])
    chosen = []
    for label in labels:
        present = label.unique()
        present = present[present != IGNORED_LABEL]
        chosen.append(present[random.choice(len(present), len(present) // 2, replace=False)])
    mask = classmix_mask(labels, chosen=chosen)
    return {"mask": mask[:, 0], **{f"chosen_{index}": classes for index, classes in enumerate(chosen)}}


@operation("three_ways.mix_mask_depth")
def mix_mask_depth(inputs: dict, params: dict, case: Case) -> dict:
    disparity = torch.from_numpy(inputs["disparity"])
    make = depth_threshold_mask if params["mode"] == "depth" else depth_histogram_mask
    with constant_draws(params["rand"]):
        return {"mask": make(disparity)[:, 0]}


@operation("three_ways.mix_mask_depthcomp")
def mix_mask_depthcomp(inputs: dict, params: dict, case: Case) -> dict:
    threshold = params["threshold"]
    threshold = tuple(threshold) if isinstance(threshold, list) else float(threshold)
    with constant_draws(params.get("rand", 0.0)):
        mask = depthmix_mask(torch.from_numpy(inputs["disparity"]), params["margin"], threshold)
    return {"mask": mask[:, 0]}


@operation("three_ways.generate_depth_mask")
def generate_depth_mask(inputs: dict, params: dict, case: Case) -> dict:
    disparity, threshold = torch.from_numpy(inputs["disparity"])[:, None], torch.from_numpy(inputs["threshold"])
    if params["n"] == 1:
        return {"mask": depth_threshold_mask(disparity, threshold=threshold)[:, 0]}
    return {"mask": depth_band_mask(disparity, *threshold.tolist(), official=True)[:, 0]}


@operation("three_ways.color_jitter")
def jitter(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    order = tuple(CHANGES[index] for index in data["order"].tolist())
    if params["jitter"] <= 0.2:  # the official threshold of the draw
        return {"image": data["image"]}
    return {"image": color_jitter(data["image"], ColorJitter(*(data[f"{name}_factor"] for name in CHANGES), order))}


@operation("three_ways.gaussian_blur")
def blur(inputs: dict, params: dict, case: Case) -> dict:
    image = torch.from_numpy(inputs["image"])
    sigma = params["sigma"]
    return {"image": gaussian_blur(image, sigma) if params["blur"] > 0.5 else image}


@operation("three_ways.ema_update")
def ema_update(inputs: dict, params: dict, case: Case) -> dict:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin, self.bn = nn.Linear(3, 4), nn.BatchNorm1d(4)

    def state(prefix: str, step: int | None = None) -> dict[str, Tensor]:
        values = {key.removeprefix(prefix): value for key, value in inputs.items() if key.startswith(prefix)}
        return {
            key.replace("_", ".", 1): torch.from_numpy(value if step is None else value[step])
            for key, value in values.items()
        }

    student, start = Network(), Network()
    start.load_state_dict(state("ema_"), strict=False)
    teacher = MeanTeacher(start, decay=params["alpha"])
    history = []
    for step in range(params["steps"]):
        student.load_state_dict(state("student_", step), strict=False)
        teacher.update(student, params["first_iteration"] - 1 + step)
        history.append({key: value.clone() for key, value in teacher.network.state_dict().items()})
    names = {key: "ema_" + key.replace(".", "_") for key in history[0]}
    return {name: torch.stack([state[key] for state in history]) for key, name in names.items()}


@operation("three_ways.lr_schedule")
def lr_schedule(inputs: dict, params: dict, case: Case) -> dict:
    """``poly_lr`` never decays (the case's notes). Its warm-up starts at a factor and ours at one step's part, so that
    of the reference is computed here and multiplied with our schedule."""
    schedule = params["schedule"] or {"name": "constant_lr"}
    kinds = {"step_lr": "step", "poly_lr_2": "poly", "multi_step": "multi_step"}
    config = OptimConfig(
        schedule=kinds.get(schedule["name"], "constant"),
        step_size=schedule.get("step_size", 0),
        milestones=tuple(schedule.get("milestones", ())),
        gamma=schedule.get("gamma", 0.1),
        power=schedule.get("power", 0.9),
    )
    warmup, start = schedule.get("warmup_iters", 0), schedule.get("warmup_factor", 1.0)
    constant = {"linear": False, "constant": True}[schedule.get("warmup_mode", "linear")]
    factors = []
    for step in inputs["steps"].tolist():
        part = min(step / warmup, 1.0) if warmup else 1.0
        part = math.floor(part) if constant else part
        factors.append(lr_factor(config, schedule.get("max_iter", 1), step) * (start * (1 - part) + part))
    return {"lr": np.outer(factors, params["base_lrs"])}


@operation("three_ways.running_score")
def running_score(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    pairs = zip(data["pred"].split(1), ours(data["label"]).split(1), strict=True)
    confusion = torch.stack([confusion_matrix(*pair, params["n_classes"]) for pair in pairs]).sum(0)
    found = scores(confusion)
    order = ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "miou")
    return {
        "confusion": confusion,
        "scores": np.array([found[name] for name in order]),
        "class_iou": found["class_iou"],
    }
