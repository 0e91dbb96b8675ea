"""Losses, mixing, augmentation, teacher and metric of CorDA; depth supervision of exactly 1 is none."""

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.adapters.three_ways_functions import tensors
from tests.parity.registry import Case, operation
from vergence.losses.depth import berhu_valid, valid_mean
from vergence.losses.difficulty import INVALID, adaptation_difficulty, pixel_weights
from vergence.losses.segmentation import IGNORED_LABEL, cross_entropy, pseudo_labels
from vergence.methods.ssda import cross_weight
from vergence.methods.supervised import to_size
from vergence.methods.teacher import MeanTeacher
from vergence.metrics.segmentation import confusion_matrix, scores
from vergence.mixing.augment import CHANGES, ColorJitter, StrongDraw, strong_augment
from vergence.mixing.masks import classmix_mask
from vergence.mixing.mix import mix
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import lr_factor

BGR_MEAN = torch.tensor([104.00698793, 116.66876762, 122.67891434]).view(3, 1, 1)


def with_gradient(loss: Tensor, of: Tensor, name: str) -> dict:
    (gradient,) = torch.autograd.grad(loss, of)
    return {"loss": loss.detach(), name: gradient}


def official_choice(labels: Tensor, seed: int) -> list[Tensor]:
    """The official draw: half of the classes of each image, rounded up, void among them, by NumPy's generator."""
    random, chosen = np.random.RandomState(seed), []
    for label in labels:
        classes = label.unique()
        chosen.append(classes[torch.from_numpy(random.choice(len(classes), (len(classes) + 1) // 2, replace=False))])
    return chosen


@operation("corda.berhu_loss")
def berhu_loss(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    prediction, valid = data["prediction"].requires_grad_(), data["ground_truth"] != INVALID
    if "imagemask" in data:
        valid &= data["imagemask"]
    return with_gradient(berhu_valid(prediction, data["ground_truth"], valid), prediction, "grad_prediction")


@operation("corda.other_losses")
def other_losses(inputs: dict, params: dict, case: Case) -> dict:
    """Errors that the released program can name and not use; of ours only the mean over what is valid takes part."""
    data = tensors(inputs)
    output, target = data["output"].requires_grad_(), data["target"]
    if params["kind"] == "mse_softmax":
        loss = valid_mean((output.softmax(1) - target).square(), torch.ones_like(target, dtype=torch.bool))
    else:
        error = (output - target).abs()
        loss = valid_mean(error if params["kind"] == "l1" else error.square(), target != params["ignore"])
    return with_gradient(loss, output, "grad_output")


@operation("corda.cross_entropy")
def supervised_cross_entropy(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    target = data["target"].masked_fill(data["target"] == params["ignore_label"], IGNORED_LABEL)
    logits = data["predict"].requires_grad_()
    return with_gradient(cross_entropy(logits, target, data.get("weight")), logits, "grad_predict")


@operation("corda.pixel_weighted_cross_entropy")
def pixel_weighted_cross_entropy(inputs: dict, params: dict, case: Case) -> dict:
    """Weights (B, B, H, W) weigh each image by the mean over the first axis."""
    data = tensors(inputs)
    weight = data["pixel_weight"].mean(0) if params["broadcast"] else data["pixel_weight"]
    logits = data["output"].requires_grad_()
    target = data["target"].masked_fill(data["target"] == params["ignore_index"], IGNORED_LABEL)
    return with_gradient(cross_entropy(logits, target, pixel_weight=weight), logits, "grad_output")


@operation("corda.pixel_weights")
def weights(inputs: dict, params: dict, case: Case) -> dict:
    """The released weights are (B, B, H, W): row i is what batch_mean would give if all had the difficulty of image i,
    and their mean over i is checked to be ``batch_mean`` itself, their diagonal to be ``per_image``."""
    data = tensors(inputs)
    depths = data["dpred_src"], data["dpred_tar"], data["depth_u"]
    difficulty = adaptation_difficulty(*depths)
    probabilities = data["max_probs"][:, None]
    _, _, share = pseudo_labels(probabilities)
    confidence = cross_weight(torch.stack([data["mask_0"], data["mask_1"]]).float(), share)
    rows = [difficulty[i : i + 1].expand_as(difficulty) for i in range(len(difficulty))]
    released = torch.stack([pixel_weights(confidence, row) * row.mean() / difficulty.mean() for row in rows])
    torch.testing.assert_close(released.mean(0), pixel_weights(confidence, difficulty, "batch_mean"))
    own = torch.stack([released[i, i] for i in range(len(rows))])
    torch.testing.assert_close(own, pixel_weights(confidence, difficulty))
    difference = (depths[0] - depths[1]).abs()
    return {
        "unlabeled_weight": share,
        "diff": difference,
        "depth_score": torch.relu(1 - difference / depths[2]) + 1e-3,
        "depth_weight": difficulty,
        "pixel_weight": released,
    }


@operation("corda.class_mask")
def class_mask(inputs: dict, params: dict, case: Case) -> dict:
    labels = torch.from_numpy(inputs["labels"])
    chosen = official_choice(labels, params["np_seed"])
    masks = classmix_mask(labels, ignore=None, chosen=chosen)
    drawn = classmix_mask(labels, ignore=None, round_up=True)
    for label, mask, classes in zip(labels, drawn, chosen, strict=True):  # as many by our own draw
        assert label[mask[0] == 1].unique().numel() == len(classes)
    found = {f"chosen_{index}": classes for index, classes in enumerate(chosen)}
    return {**found, "mask_0": masks[0], "mask_1": masks[1]}


@operation("corda.one_mix")
def one_mix(inputs: dict, params: dict, case: Case) -> dict:
    data = tensors(inputs)
    mask = data["mask"][:, None]
    images = mix(data["data"][:1], mask, data["data"][1:])
    target = mix(data["target"][:1], mask, data["target"][1:])
    return {
        "data": images,
        "target": target,
        "data_flipped": images.flip(-1),
        "target_flipped": target.flip(-1),
        "mix_data": mix(data["data"], mask.repeat(2, 1, 1, 1)),
    }


@operation("corda.strong_transform")
def strong_transform(inputs: dict, params: dict, case: Case) -> dict:
    """The official program jitters channels in the order blue, green, red."""
    data = tensors(inputs)
    order = tuple(CHANGES[index] for index in data["order"].tolist())
    jitter = ColorJitter(*(data[f"{name}_factor"] for name in CHANGES), order)
    sigma = params["sigma"]
    draw = StrongDraw(jitter if params["jitter"] > 0.2 else None, sigma if params["blur"] > 0.5 else None)
    images = strong_augment((data["image"] + BGR_MEAN) / 255, draw) * 255 - BGR_MEAN
    return {"image": images.flip(-1) if params["flip"] else images}


@operation("corda.ema_update")
def ema_update(inputs: dict, params: dict, case: Case) -> dict:
    """The official first update, number 0, copies the student: one before our first."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin, self.bn = nn.Linear(3, 4), nn.BatchNorm1d(4)

    names = {"lin_weight": "lin.weight", "bn_weight": "bn.weight", "bn_running_mean": "bn.running_mean"}
    student, start = Network(), Network()
    start.load_state_dict({ours: torch.from_numpy(inputs[f"ema_{key}"]) for key, ours in names.items()}, strict=False)
    teacher, history = MeanTeacher(start, decay=params["alpha"]), []
    for step in range(params["steps"]):
        values = {ours: torch.from_numpy(inputs[f"student_{key}"][step]) for key, ours in names.items()}
        student.load_state_dict(values, strict=False)
        teacher.update(student, params["first_iteration"] + step - 1)
        history.append({key: value.clone() for key, value in teacher.network.state_dict().items()})
    return {f"ema_{key}": torch.stack([state[ours] for state in history]) for key, ours in names.items()}


@operation("corda.poly_lr")
def poly_lr(inputs: dict, params: dict, case: Case) -> dict:
    config = OptimConfig(schedule="poly", power=params["power"])
    factors = [lr_factor(config, params["num_iterations"], step) for step in inputs["iterations"].tolist()]
    return {"lr": np.outer(factors, [params["learning_rate"], 10 * params["learning_rate"]])}


@operation("corda.confusion_iou")
def confusion_iou(inputs: dict, params: dict, case: Case) -> dict:
    """Means of the official program are not a number where one class is missing, and its recall is a precision."""
    data, classes = tensors(inputs), params["n_classes"]
    label = data["label"].masked_fill(data["label"] >= classes, IGNORED_LABEL)
    confusion = confusion_matrix(data["pred"], label, classes).double()
    iou, right = scores(confusion)["class_iou"], confusion.diagonal()
    return {
        "confusion": confusion,
        "class_iou": iou,
        "miou": iou.mean(),
        "recall": (right / confusion.sum(0)).mean(),
        "accuracy": (right / confusion.sum(1)).mean(),
    }


@operation("corda.evaluate")
def evaluate(inputs: dict, params: dict, case: Case) -> dict:
    logits, label = torch.from_numpy(inputs["logits"]), torch.from_numpy(inputs["label"]).long()
    classes = logits.shape[1]
    label = label.masked_fill(label >= classes, IGNORED_LABEL)
    confusion, losses, seen = torch.zeros(classes, classes, dtype=torch.int64), [], []
    for image, truth in zip(logits.split(1), label.split(1), strict=True):
        prediction = to_size(image, truth).argmax(1)
        confusion += confusion_matrix(prediction, truth, classes)
        losses.append(cross_entropy(image, truth))
        seen.append(prediction[:, ::16, ::16])
    found = scores(confusion)
    return {
        "miou": found["miou"],
        "class_iou": found["class_iou"],
        "loss": torch.stack(losses).mean(),
        "pred_every_16th": torch.cat(seen),
    }
