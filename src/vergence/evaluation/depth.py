"""Depth of a run against measured depth, beside the input-free answer and the untrained network."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.buckets.addresses import named
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.baselines import MeanInverseDepth, input_free_of_run
from vergence.evaluation.depth_scores import Scores, image_rows
from vergence.evaluation.regions import RegionScores, regions_space
from vergence.inference.inputs import ground_truth, ground_truth_label, has_label
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.settings.protocols import DepthProtocol


class DepthTruth(NamedTuple):
    """What one image is scored against."""

    depth: NDArray[np.float32]
    """(H, W) metres, 0 = none."""
    label: NDArray[np.uint8] | None
    """(H', W') class ids, 255 = none, where the row has a label and it is known what it means."""


class DepthEvaluation:
    """Gathers errors of depth image by image; ``rows`` are those of the manifest that have measured depth."""

    task = "depth"

    def __init__(
        self,
        run: LoadedRun,
        manifest: Manifest,
        rows: list[int],
        protocol: DepthProtocol,
        methods: dict[str, Method],
        untrained_note: str = "",
    ) -> None:
        self.run, self.manifest, self.rows, self.protocol, self.methods = run, manifest, rows, protocol, methods
        self.predictors = [Scores("trained", scale_word(run.method))]
        self._mean: MeanInverseDepth | None = None
        self._left_out = False
        if "untrained" in methods:
            self._mean, origin = input_free_of_run(run, manifest, rows)
            self._left_out = origin.startswith("leave-one-out")
            if self._mean is not None:
                self.predictors.append(Scores("input_free", origin))
            self.predictors.append(Scores("untrained", untrained_note))
        self._space = regions_space(run, manifest, rows)
        self._regions: dict[str, RegionScores] = {}

    def truth(self, index: int) -> DepthTruth:
        """What a row is scored against."""
        label = None
        if self._space is not None and has_label(self.manifest, index):
            label = ground_truth_label(self.manifest, index, self._space)
        return DepthTruth(ground_truth(self.manifest, index), label)

    def add(self, index: int, depth_truth: DepthTruth, maps: dict[str, dict[str, Tensor]]) -> None:
        """Score one image; ``maps`` holds ``inverse_depth`` (1, h, w) of each method by name."""
        truth, label = depth_truth
        for scores in self.predictors:
            if scores.name == "input_free":
                assert self._mean is not None
                inverse_depth, protocol = self._mean.mean(truth if self._left_out else None), _in_metres(self.protocol)
            else:
                prediction = maps[scores.name]["inverse_depth"][0].float().cpu()
                inverse_depth, protocol = in_units(prediction, self.methods[scores.name], self.protocol), self.protocol
            scores.add(named(self.manifest[index].image), inverse_depth, truth, protocol)
            if label is not None and self._space is not None:
                regions = self._regions.setdefault(scores.name, RegionScores(self._space))
                regions.add(inverse_depth, torch.from_numpy(truth), torch.from_numpy(label), protocol)

    def state(self) -> dict[str, Any]:
        """What was added so far, as plain values, for :meth:`merge` in another process."""
        regions = {name: scored.plain() for name, scored in self._regions.items()}
        return {"predictors": [vars(scores) for scores in self.predictors], "regions": regions}

    def merge(self, parts: list[dict[str, Any]]) -> None:
        """Take the states of all processes, by rank, instead of this one's own."""
        self.predictors, self._regions = [Scores(one["name"], one["note"]) for one in parts[0]["predictors"]], {}
        for part in parts:
            for own, other in zip(self.predictors, part["predictors"], strict=True):
                own.extend(Scores(**other))
            for name, scored in part["regions"].items():
                assert self._space is not None
                regions = self._regions.setdefault(name, RegionScores(self._space))
                regions.extend(RegionScores.of_plain(self._space, scored))

    def result(self) -> dict[str, Any]:
        """Rows and the protocol; InputError where no pixel of any image counted."""
        if not self.predictors[0].errors:
            raise InputError(
                f"{self.manifest.name} has no measured pixel that counts ({self.protocol.describe()}); "
                "choose another protocol."
            )
        rows = [scores.summary() for scores in self.predictors if scores.errors]
        for row in rows:
            if row["name"] in self._regions:
                row |= self._regions[row["name"]].summary()
        method = self.run.method
        return {
            "name": self.protocol.name,
            "protocol": self.protocol.describe(),
            "images": rows[0]["images"],
            "scale": self.protocol.scale,
            "scale_status": scale_word(method),
            "metres_per_unit": method.metres_per_unit if method.scale == "metric" else None,
            "rows": rows,
        }

    def image_rows(self) -> list[dict[str, Any]]:
        """One row for each predictor and image."""
        return image_rows(self.predictors)


def in_units(inverse_depth: Tensor, method: Method, protocol: DepthProtocol) -> Tensor:
    """In metres where the method knows them, unless a factor on the network's unit was asked for."""
    if method.scale == "metric" and isinstance(protocol.scale, str):
        return inverse_depth / method.metres_per_unit
    return inverse_depth


def _in_metres(protocol: DepthProtocol) -> DepthProtocol:
    """The protocol for a predictor that is in metres already: factors meant for a network's unit do not apply."""
    return protocol if isinstance(protocol.scale, str) else dataclasses.replace(protocol, scale="none")


def scale_word(method: Method) -> str:
    """Whether a method's depth is metric or unscaled."""
    return "metric" if method.scale == "metric" else "unscaled"
