"""Values of known parameters that no stored case has: each against its formula, through the adapters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.test_runner import run, write

RNG = np.random.default_rng(7)


def case(root: Path, name: str, params: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    family, operation = name.split(".")
    write(root / "case", {"family": family, "operation": operation, "params": [{"case": 0, **params}]}, arrays)
    run(root)


@pytest.mark.parametrize(("factor", "median"), [(4.0, False), (4.0, True), (1.0, False)])
def test_evaluation_with_a_depth_factor(tmp_path: Path, factor: float, median: bool) -> None:
    """Depth 2 times the factor; truth 10 % farther, which median scaling takes away."""
    truth = np.full((20, 30), 2 * factor * 1.1)
    plain = [0.1 / 1.1, (0.2 * factor) ** 2 / (2.2 * factor), 0.2 * factor, np.log(1.1), 1, 1, 1]
    errors = np.array([[0, 0, 0, 0, 1, 1, 1] if median else plain])
    arrays = {"in_pred_disp": np.full((1, 5, 10), 0.5, np.float32), "in_gt_0": truth}
    arrays["out_errors"] = errors
    params = {"eval_split": "eigen", "pred_depth_scale_factor": factor, "disable_median_scaling": not median}
    case(tmp_path, "monodepth2.eval_protocol", params, arrays)


@pytest.mark.parametrize("ignored", [250, 255])
def test_weighted_cross_entropy_ignores_the_named_label(tmp_path: Path, ignored: int) -> None:
    logits, weight = RNG.standard_normal((2, 5, 3, 4)).astype(np.float32), RNG.random((2, 3, 4)).astype(np.float32)
    label = RNG.integers(0, 5, (2, 3, 4))
    label[:, 0] = ignored
    x = torch.from_numpy(logits).double().requires_grad_()
    chosen = x.log_softmax(1).gather(1, torch.from_numpy(np.where(label == ignored, 0, label))[:, None])[:, 0]
    loss = -(chosen * torch.from_numpy(weight * (label != ignored))).sum() / label.size
    loss.backward()
    arrays = {"in_output": logits, "in_target": label, "in_pixel_weight": weight}
    arrays |= {"out_loss": loss.detach().numpy(), "out_grad_output": x.grad.numpy()}
    case(tmp_path, "corda.pixel_weighted_cross_entropy", {"ignore_index": ignored, "broadcast": False}, arrays)


def test_a_constant_warm_up(tmp_path: Path) -> None:
    schedule = {"name": "constant_lr", "warmup_iters": 4, "warmup_mode": "constant", "warmup_factor": 0.3}
    rates = np.array([[0.003], [0.003], [0.003], [0.003], [0.01], [0.01]])
    arrays = {"in_steps": np.arange(6), "out_lr": rates}
    case(tmp_path, "three_ways.lr_schedule", {"base_lrs": [0.01], "schedule": schedule}, arrays)


def entropy(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(1, keepdims=True)
    return -(p * np.log2(p)).sum(1).mean((1, 2)) / np.log2(logits.shape[1])


def test_criteria_share_the_new_images(tmp_path: Path) -> None:
    """The first criterion takes the two hardest of depth, the second the two most uncertain of those left."""
    teacher = RNG.uniform(0.2, 1, (9, 1, 20, 24)).astype(np.float32)
    student = np.clip(teacher + np.arange(9, dtype=np.float32)[:, None, None, None] / 20, 0, 2)
    logits = (RNG.standard_normal((9, 4, 20, 24)) * np.linspace(1, 6, 9)[:, None, None, None]).astype(np.float32)
    depth = np.abs(np.log1p(student.astype(float)) - np.log1p(teacher))[:, :, : int(0.87 * 20)].sum((1, 2, 3))
    free = [i for i in range(9) if i not in (3, 8)]
    first = sorted(free, key=lambda i: -depth[i])[:2]
    second = sorted((i for i in free if i not in first), key=lambda i: -entropy(logits)[i])[:2]
    arrays = {"in_student_disp": student, "in_pseudo_depth": teacher, "in_student_logits": logits}
    arrays["in_teacher_features"] = RNG.standard_normal((9, 3, 16, 32)).astype(np.float32)
    arrays["out_selected"] = np.array([3, 8, *first, *second])
    params = {"n": 9, "ch": 3, "choice": "score", "current": [3, 8], "n_total": 6}
    params |= {"depth_lambda": [1, 0], "entropy_lambda": [0, 1]}
    case(tmp_path, "three_ways.label_selection", params, arrays)


def test_no_rate_of_the_pose_network_is_the_rate_of_all_else(tmp_path: Path) -> None:
    """Encoder; then everything: decoders, head and pose network (13.0 million of two encoders and its head)."""
    from tests.parity.adapters.three_ways_networks import segmentation_network
    from vergence.models.depth_network import build_pose_network
    from vergence.settings.networks import PoseConfig

    head = {"layers": [9], "layer_out_channels": 48, "head_inter": True, "head_inter_channels": 32}
    head |= {"head_dropout": 0.1, "output_stride": 1}
    params = {"backbone": "resnet18", "dilated": False, "dec": "default", "seg": "joint_seg_depth_dec", "pose": True}
    params |= {"seg_args": head}
    network = segmentation_network(params)
    pose = build_pose_network(PoseConfig("resnet18", "none"))

    def size(tensors: Any) -> np.ndarray:
        return np.array([(1, value.numel()) for value in tensors]).sum(0)

    assert network.depth is not None
    unused = size(network.depth.heads.parameters())  # also in the official segmentation decoder
    encoder = size(network.encoder.parameters())
    left = size(network.parameters()) - encoder + unused + size(pose.parameters())
    arrays = {"in_dummy": np.zeros(1), "out_group_sizes": np.stack([encoder, left]), "out_group_lr": np.array([1, 2])}
    params["optimizer"] = {"name": "sgd", "lr": 2, "backbone_lr": 1}
    case(tmp_path, "three_ways.optimizer_groups", params, arrays)


def test_segmentation_lambda_weighs_the_labelled_loss(tmp_path: Path) -> None:
    """One step of plain SGD (fresh momentum) of a 1 x 1 convolution on the weighted mean cross-entropy."""
    image = RNG.random((2, 3, 4, 5)).astype(np.float32)
    label = RNG.integers(0, 3, (2, 4, 5))
    weight, bias = RNG.standard_normal((3, 3, 1, 1)).astype(np.float32), np.zeros(3, np.float32)
    w = torch.from_numpy(weight).double().requires_grad_()
    b = torch.from_numpy(bias).double().requires_grad_()
    logits = torch.nn.functional.conv2d(torch.from_numpy(image).double(), w, b)
    loss: Tensor = torch.nn.functional.cross_entropy(logits, torch.from_numpy(label))
    (2.5 * loss).backward()
    plain = loss.item()
    after = (w - 0.1 * (w.grad + 5e-4 * w)).detach().numpy()
    norm = float(torch.cat([w.grad.flatten(), b.grad]).norm())
    arrays = {"in_image": image, "in_label": label, "in_pseudo_depth": np.ones((2, 1, 4, 5), np.float32)}
    arrays |= {"in_w_seg_weight": weight, "in_w_seg_bias": bias}
    arrays |= {"in_w_disp_weight": weight[:1], "in_w_disp_bias": bias[:1]}
    arrays |= {"out_losses_0": np.array([plain, 0, 2.5 * plain, 2.5 * plain]), "out_grad_norm_0": np.array(norm)}
    arrays["out_w_seg_weight"] = after
    params = {"classes": 3, "side_output": False, "pseudo_depth_lambda": 0, "segmentation_lambda": 2.5}
    params |= {"clip_grad_norm": 100, "lr": 0.1, "steps": 1}
    case(tmp_path, "three_ways.supervised_steps", params, arrays)
