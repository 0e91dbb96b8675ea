"""Whole training steps of Three Ways: the real methods around toy networks of three 1 x 1 convolutions."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.parity.registry import Case, operation
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods import consistency
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.teacher import MeanTeacher
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.mixing.masks import classmix_mask
from vergence.settings.networks import SegmentationNetworkConfig

OFFICIAL_IGNORED, IGNORED = 250, 255


class ToyNetwork(nn.Module):
    """Logits, side logits and a disparity by one 1 x 1 convolution each."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.names = [name for name in ("seg", "disp", "side") if f"{name}_weight" in weights]
        for name in self.names:
            weight = torch.from_numpy(weights[f"{name}_weight"])
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
            layer.weight.data, layer.bias.data = weight.clone(), torch.from_numpy(weights[f"{name}_bias"]).clone()
            setattr(self, name, layer)
        if "side" not in self.names:
            self.side = None

    def forward(self, images: Tensor, segmentation: bool = True, depth: bool = False, side: bool = False) -> dict:
        found: dict[str, Any] = {}
        if segmentation:
            found["logits"] = self.seg(images)
        if side:
            found["side_logits"] = F.avg_pool2d(self.side(images), 2)
        if depth:
            found["disparities"] = {0: torch.sigmoid(self.disp(images))}
        return found


def method(network: nn.Module, classes: int, teacher: nn.Module | None = None, **settings: Any) -> ThreeWaysMethod:
    """The method with its networks replaced, and depth learned from nothing but the estimates."""
    config = ThreeWaysConfig(
        network=SegmentationNetworkConfig(encoder="resnet18", weights="none"),
        teacher=False,
        multi_task=True,
        **settings,
    )
    config.pose.encoder, config.pose.weights = "posecnn", "none"
    space = "toy:" + ",".join(f"class{k}#0000{k:02x}" for k in range(classes))
    built = ThreeWaysMethod(config, FrameOptions(height=64, width=64, label_space=space))
    built.network = network  # type: ignore[assignment]
    built._depth_losses = lambda disparities, batch, step: {}  # type: ignore[method-assign]
    if teacher is not None:
        built.config.teacher = True
        built.reference = MeanTeacher(teacher)  # type: ignore[arg-type]
    return built


def part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


@operation("three_ways.supervised_steps")
def supervised_steps(inputs: dict[str, np.ndarray], params: dict[str, Any], case: Case) -> dict[str, Any]:
    weights = part(inputs, "w_")
    network = ToyNetwork(weights)
    distilled = params["pseudo_depth_lambda"]
    assert params["side_output"] == (network.side is not None)
    weight = params["segmentation_lambda"]
    built = method(network, params["classes"], segmentation_weight=weight, pseudo_depth=distilled, depth="truth")
    images = torch.from_numpy(inputs["image"])[:, None]
    label = torch.from_numpy(inputs["label"]).clone()
    label[label == OFFICIAL_IGNORED] = IGNORED
    batch: Batch = {"frames": images, "jittered": images, "label": label}  # type: ignore[typeddict-item]
    batch["estimate"] = torch.from_numpy(inputs["pseudo_depth"])
    optimizer = torch.optim.SGD(network.parameters(), lr=params["lr"], momentum=0.9, weight_decay=5e-4)
    found: dict[str, Any] = {}
    for step in range(params["steps"]):
        optimizer.zero_grad()
        losses = built({"labelled": batch}, step)
        depth = losses.get("pseudo_depth", torch.zeros(()))
        total = torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum()
        total.backward()
        with_gradients = [value for value in network.parameters() if value.grad is not None]
        found[f"grad_norm_{step}"] = nn.utils.clip_grad_norm_(with_gradients, params["clip_grad_norm"])
        optimizer.step()
        plain = losses["segmentation"] / weight if weight else losses["_segmentation"]
        values = [plain, depth, total - depth, total]
        found[f"losses_{step}"] = torch.stack(values).detach().numpy()
    for name, value in network.state_dict().items():
        found[f"w_{name.replace('.', '_')}"] = value.numpy()
    return found


@operation("three_ways.unlabeled_step")
def unlabeled_step(inputs: dict[str, np.ndarray], params: dict[str, Any], case: Case) -> dict[str, Any]:
    network, teacher = ToyNetwork(part(inputs, "student_")), ToyNetwork(part(inputs, "teacher_"))
    mode = {"depthcomp": "depthmix", "class": "classmix", None: "none"}[params["mix_mask"]]
    settings = ConsistencyConfig(mix=mode, jitter=0, blur=0, clean=float(params["first"]))  # type: ignore[arg-type]
    port = "online" if params["online"] else "truth"
    built = method(
        network, params["classes"], teacher, consistency=settings, mix_labels=params["mix_use_gt"], depth=port
    )
    seen: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        rng = np.random.RandomState(params["np_seed"])
        patch.setattr(
            consistency, "classmix_mask", lambda labels, **_: classmix_mask(labels, chosen=drawn(labels, rng))
        )
        keep_outputs(built, patch, seen)
        batch = unlabelled_batch(inputs, params)
        losses = built.unlabelled_losses(batch, 0, built.pseudo_probabilities(batch))
    total = torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum()
    total.backward()
    mixed = seen["mixed"]
    found: dict[str, Any] = {
        "loss": total.detach().numpy(),
        "mask": mixed.mask[:, 0].numpy(),
        "mixed_image": mixed.images.numpy(),
        "pseudo_label": official(mixed.label),
        "grad_seg_weight": network.seg.weight.grad.numpy(),  # type: ignore[union-attr]
        "grad_seg_bias": network.seg.bias.grad.numpy(),  # type: ignore[union-attr]
    }
    if seen["depth"] is not None:
        found["depth_used"] = seen["depth"].numpy()
    if params["first"]:
        label = consistency.pseudo_labels(seen["probabilities"])[0]
        found |= {"first_loss": losses["clean"].detach().numpy(), "first_pseudo_label": official(label)}
    if params["online"]:  # depth for mixing is detached: nothing reaches its layer
        for name, value in network.disp.named_parameters():  # type: ignore[union-attr]
            found[f"grad_disp_{name}"] = torch.zeros_like(value).numpy() if value.grad is None else value.grad.numpy()
    return found


def unlabelled_batch(inputs: dict[str, np.ndarray], params: dict[str, Any]) -> Batch:
    images = torch.from_numpy(inputs["image"])[:, None]
    onehot = torch.from_numpy(inputs["onehot"])
    label = torch.where(onehot.sum(1) > 0, onehot.argmax(1), IGNORED)
    batch: Batch = {"frames": images, "jittered": images, "label": label}  # type: ignore[typeddict-item]
    batch["labelled"] = torch.tensor(params["is_labeled"])
    batch["estimate"] = torch.from_numpy(inputs["pseudo_depth"])
    return batch


def keep_outputs(built: ThreeWaysMethod, patch: pytest.MonkeyPatch, seen: dict[str, Any]) -> None:
    """Remember what the method mixed."""
    mixed = built.mixed

    def spy(images: Tensor, probabilities: Tensor, depth: Tensor | None) -> Any:
        seen.update(mixed=mixed(images, probabilities, depth), probabilities=probabilities, depth=depth)
        return seen["mixed"]

    patch.setattr(built, "mixed", spy)


def drawn(labels: Tensor, rng: np.random.RandomState) -> list[Tensor]:
    """The official draw: half of the classes of each image, by NumPy's legacy generator."""
    chosen = []
    for label in labels:
        classes = label.unique()
        count = (len(classes) - len(classes) % 2) // 2
        chosen.append(classes[torch.from_numpy(rng.choice(len(classes), count, replace=False))])
    return chosen


def official(label: Tensor) -> np.ndarray:
    return torch.where(label == IGNORED, OFFICIAL_IGNORED, label).numpy()
