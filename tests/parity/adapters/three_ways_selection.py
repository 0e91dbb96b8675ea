"""Automatic data selection of Three Ways: distances, farthest points, difficulty, and what is chosen in the end."""

import numpy as np
import torch
from torch import Tensor

from tests.parity.registry import Case, operation
from tests.selection.distances import DistanceMatrix, distance_matrix
from vergence.losses.segmentation import pixel_entropy
from vergence.selection.difficulty import depth_difficulty
from vergence.selection.farthest_point import farthest_points
from vergence.selection.features import FeatureSpace, pooled_features
from vergence.selection.orders import random_order, top_scores


@operation("three_ways.feature_distance_matrix")
def feature_distance_matrix(inputs: dict, params: dict, case: Case) -> dict:
    features = torch.from_numpy(inputs["features"])
    bias = torch.from_numpy(inputs["bias"]) if "bias" in inputs else None
    return {"distances": distance_matrix(features, params["normalize"], params["p"], params["patch_wise"], bias)}


@operation("three_ways.farthest_point_order")
def farthest_point_order(inputs: dict, params: dict, case: Case) -> dict:
    ids = inputs["image_ids"].tolist()
    allowed = None
    if "preselected" in inputs:
        allowed = torch.from_numpy(np.isin(inputs["image_ids"], inputs["preselected"]))
    chosen = [ids.index(image) for image in inputs["current"].tolist()]
    matrix = DistanceMatrix(torch.from_numpy(inputs["distances"]))
    picks = farthest_points(matrix, params["n_new"], chosen, allowed=allowed)
    return {
        "selected": np.array([ids[pick.row] for pick in picks]),
        "distance": np.array([pick.distance for pick in picks], dtype=np.float32),
    }


@operation("three_ways.uncertainty")
def uncertainty(inputs: dict, params: dict, case: Case) -> dict:
    student, teacher = (torch.from_numpy(inputs[name]) for name in ("student_disp", "pseudo_depth"))
    errors = torch.stack([depth_difficulty(student, teacher, kind) for kind in params["depth_error_types"]], dim=1)
    entropy = pixel_entropy(torch.from_numpy(inputs["student_logits"])).mean((1, 2))
    criteria = [depth * errors + uncertain * entropy[:, None] for depth, uncertain in lambdas(params)]
    return {
        "depth_error": errors,
        "entropy_mean": entropy,
        "label_criterion": torch.cat(criteria, dim=1),
    }


@operation("three_ways.label_selection")
def label_selection(inputs: dict, params: dict, case: Case) -> dict:
    total, wanted = params["n"], params["n_total"]
    pooled = pooled_features(torch.from_numpy(inputs["teacher_features"])).numpy()
    space = FeatureSpace.standardised(pooled, params["ch"])
    if "initial" in params:
        order = random_order(total, params["seed"])
        if params["initial"] == "ifp":
            order = [pick.row for pick in farthest_points(space, wanted, start=order[0])]
        return {"selected": np.array(order[:wanted])}
    current = list(params["current"])
    allowed = np.ones(total, dtype=bool)
    allowed[current] = False
    scores = criteria(inputs, params)
    shares = np.diff(np.linspace(0, wanted - len(current), len(scores) + 1).round().astype(int)).tolist()
    for score, share in zip(scores, shares, strict=True):  # criteria share what is left, one after the other
        current += more(score, share, space, current, allowed, params)
        allowed[current] = False
    return {"selected": np.array(current)}


def more(score: Tensor, new: int, space: FeatureSpace, current: list[int], allowed: np.ndarray, params: dict) -> list:
    """Rows that one criterion adds."""
    if params["choice"] == "score":
        return top_scores(score.numpy(), new, allowed)
    if "preselection_multiplier" in params:
        first = top_scores(score.numpy(), params["preselection_multiplier"] * new, allowed)
        allowed = np.isin(np.arange(len(allowed)), first)
    bias = params.get("bias_weight", 0) * score
    picks = farthest_points(space, new, current, bias=bias, allowed=torch.from_numpy(allowed.copy()))
    return [pick.row for pick in picks]


def lambdas(params: dict) -> list[tuple[float, float]]:
    """Weights of depth error and of entropy, of each criterion: a list names several."""
    given = params.get("depth_lambda", 1.0), params.get("entropy_lambda", 0.0)
    count = max(len(value) if isinstance(value, list) else 1 for value in given)
    listed = [value if isinstance(value, list) else [value] * count for value in given]
    return list(zip(*listed, strict=True))


def criteria(inputs: dict, params: dict) -> list[Tensor]:
    student, teacher = (torch.from_numpy(inputs[name]) for name in ("student_disp", "pseudo_depth"))
    entropy = pixel_entropy(torch.from_numpy(inputs["student_logits"])).mean((1, 2))
    difficulty = depth_difficulty(student, teacher)
    return [depth * difficulty + uncertain * entropy for depth, uncertain in lambdas(params)]
