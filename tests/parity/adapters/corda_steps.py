"""Whole adaptation steps of CorDA: the real method around networks that answer with given outputs."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.parity.adapters.corda_functions import official_choice
from tests.parity.registry import Case, operation
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.losses.difficulty import pixel_weights
from vergence.methods import corda, domains
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig, CordaConsistencyConfig
from vergence.mixing.masks import classmix_mask
from vergence.settings.networks import CordaNetworkConfig

NAMES = {
    "S": "logits",
    "initial_S": "initial_logits",
    "D": "depth",
    "D_src": "source_depth",
    "initial_D": "initial_depth",
    "initial_D_src": "initial_source_depth",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "gta": {"pseudo_head": "switch", "difficulty": "batch_mean"},
    "synthia": {"difficulty": "batch_mean"},
    "simpleaux": {"difficulty": "off"},
}
VARIANTS = {"gta": "gta", "synthia": "synthia", "simpleaux": "multitask"}


class Given(nn.Module):
    """Answers each call with the next outputs."""

    def __init__(self, *answers: dict[str, Tensor]) -> None:
        super().__init__()
        self.answers = list(answers)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.answers.pop(0)


def outputs(inputs: dict[str, np.ndarray], prefix: str, learn: bool = True) -> dict[str, Tensor]:
    """Network outputs of one pass, by our names."""
    found = {ours: inputs.get(f"{prefix}_{official}") for official, ours in NAMES.items()}
    return {
        name: torch.from_numpy(value).clone().requires_grad_(learn)
        for name, value in found.items()
        if value is not None
    }


def built(script: str, classes: int, size: tuple[int, int]) -> CordaMethod:
    config = CordaConfig(
        network=CordaNetworkConfig(variant=VARIANTS[script], encoder="resnet18", weights="none", width=4),  # type: ignore[arg-type]
        consistency=CordaConsistencyConfig(mix_void=True, jitter=0, blur=0),
        **SETTINGS[script],
    )
    space = "toy:" + ",".join(f"class{k}#0000{k:02x}" for k in range(classes))
    return CordaMethod(config, FrameOptions(height=size[0], width=size[1], label_space=space)).train()


def domain(inputs: dict[str, np.ndarray], suffix: str) -> Batch:
    images = torch.from_numpy(inputs[f"image_{suffix}"])[:, None]
    batch: dict[str, Tensor] = {"frames": images, "jittered": images}
    batch["inverse_depth"] = torch.from_numpy(inputs[f"depth_{suffix}"])[:, None]
    if suffix == "src":
        batch["label"] = torch.from_numpy(inputs["label_src"]).long()
    return batch  # type: ignore[return-value]


class Watched:
    """What the method mixes, compares and weighs, beside doing it."""

    def __init__(self, method: CordaMethod, patch: pytest.MonkeyPatch, chosen: list[Tensor]) -> None:
        self.composed: list[Tensor] = []
        self.weight: Tensor | None = None
        self.difficulty: Tensor | None = None
        mixed, berhu = method.mixed, domains.berhu_valid

        def keep_mixed(*arguments: Any) -> Any:
            self.mixed = mixed(*arguments)
            return self.mixed

        def keep_composed(prediction: Tensor, *others: Any) -> Tensor:
            self.composed.append(prediction.detach())
            return berhu(prediction, *others)

        def keep_weight(confidence: Tensor, difficulty: Tensor, mode: Any) -> Tensor:
            self.difficulty, self.weight = difficulty, pixel_weights(confidence, difficulty, mode)
            return self.weight

        patch.setattr(method, "mixed", keep_mixed)
        patch.setattr(domains, "berhu_valid", keep_composed)
        patch.setattr(corda, "pixel_weights", keep_weight)
        patch.setattr(domains, "classmix_mask", lambda labels, **_: classmix_mask(labels, None, chosen))


@operation("corda.uda_step")
def uda_step(inputs: dict[str, np.ndarray], params: dict[str, Any], case: Case) -> dict[str, Any]:
    source, target = domain(inputs, "src"), domain(inputs, "tar")
    method = built(params["script"], inputs["student_src_S"].shape[1], (params["height"], params["width"]))
    passes = {name: outputs(inputs, name) for name in ("student_src", "student_mix")}
    method.network = Given(*passes.values())  # type: ignore[assignment]
    method.mean_teacher.network = Given(outputs(inputs, "teacher", learn=False))
    chosen = official_choice(source["label"], params["np_seed"])
    with pytest.MonkeyPatch.context() as patch:
        seen = Watched(method, patch, chosen)
        losses = method({"source": source, "target": target}, params["i_iter"])
    total = torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
    total.backward()
    return {**numbers(losses, total), **maps(seen), **{f"chosen_{i}": classes for i, classes in enumerate(chosen)},
            **gradients(passes)}  # fmt: skip


def numbers(losses: dict[str, Tensor], total: Tensor) -> dict[str, Tensor]:
    values = {name: value.detach() for name, value in losses.items()}
    supervised = torch.stack([value for name, value in values.items() if name.startswith("source")]).sum()
    found = {"loss": total.detach(), "L_l": supervised, "unlabeled_weight": values["_confident"]}
    for official, ours, weight in (
        ("L_u", "mixed", 1), ("L_u2", "mixed_initial", 1), ("L_D", "mixed_depth", 1e-3),
        ("L_D2", "mixed_initial_depth", 1e-3),
    ):  # fmt: skip
        if ours in values:
            found[official] = values[ours] / weight
    return found


def maps(seen: Watched) -> dict[str, Tensor]:
    mixed = seen.mixed
    assert mixed.inverse_depth is not None
    mixes = seen.composed[len(seen.composed) // 2 :]  # the first half is of source frames
    found = {
        "targets_u": mixed.label,
        "depth_u": mixed.inverse_depth,
        "depth_pred_u": mixes[0],
        "mixed_image": mixed.images,
        "mask_0": mixed.mask[0],
        "mask_1": mixed.mask[1],
        "pixel_weight": mixed.weight,
    }
    if seen.difficulty is None:
        return found
    difficulty = seen.difficulty
    relative = difficulty / difficulty.mean()
    released = mixed.weight * relative  # of each image by the difficulty of each
    assert seen.weight is not None
    torch.testing.assert_close(seen.weight, released.mean(0))
    return {**found, "depth_weight": difficulty, "depth_pred_ui": mixes[1], "pixel_weight": released}


def gradients(passes: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    official = {ours: name for name, ours in NAMES.items()}
    return {
        f"grad_{prefix}_{official[name]}": value.grad
        for prefix, found in passes.items()
        for name, value in found.items()
        if value.grad is not None
    }
