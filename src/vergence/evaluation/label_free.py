"""How good weights are on held-back frames without any truth: by the picture alone, for runs on one's own video.

Depth: the photometric error of frames that are seen through the run's own depth and motion (Zhou et al., CVPR 2017,
whose training loss this is; here without auto-masking, so that all weights are judged on the same pixels).
Segmentation: how far the classes of a picture and of its mirror image agree.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vergence.data.caching.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.inputs import evenly_spaced, prefetched, working_image
from vergence.inference.network_maps import window_of
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Predictor
from vergence.losses.photometric import photometric_error
from vergence.losses.self_supervised import reduce_sources, synthesize
from vergence.methods.view_synthesis_config import ViewSynthesisConfig
from vergence.metrics.segmentation import confusion_matrix
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import RunConfig
from vergence.runs.processes import ALONE, Processes

_BATCH = 8


def can_be_judged(config: RunConfig) -> bool:
    """Whether runs of these settings can be judged without truth: they segment, or learn depth by view synthesis."""
    tasks, section = config.section.tasks, config.section
    return "segmentation" in tasks or ("depth" in tasks and isinstance(section, ViewSynthesisConfig))


class LabelFree:
    """Held-back frames and how weights are judged on them.

    Args:
        config: of the run.
        manifest: the frames.

    Raises:
        InputError: no frame has the neighbours that view synthesis needs.
    """

    def __init__(self, config: RunConfig, manifest: Manifest) -> None:
        self.config, self.manifest = config, manifest
        self.segments = "segmentation" in config.section.tasks
        self.rows = evenly_spaced(range(len(manifest)), config.evaluate.limit)
        self.dataset: FrameDataset | None = None
        if not self.segments:
            options = replace(
                config.frames.options, random_crop=None, load_label=False, load_depth=False, load_estimate=False,
                load_inverse_depth="", load_pseudo_label="",
            )  # fmt: skip
            cache = FrameCache(default_cache_folder(), options.height, options.width) if config.frames.cache else None
            self.dataset = FrameDataset(manifest, options, train=False, cache=cache)
            self.rows = evenly_spaced(range(len(self.dataset)), config.evaluate.limit)

    @torch.no_grad()
    def score(self, run: LoadedRun, processes: Processes = ALONE) -> dict[str, Any]:
        """What weights are worth; leaves the random state and the training mode as they were.

        Of several processes all must call it: each judges its share of the frames, and all get the result of all.

        Returns:
            ``photometric`` (lower is better) beside ``photometric_unmoved``, that of the neighbours as they are, or
            ``flip_miou`` (higher is better); ``images``.

        Raises:
            InputError: a frame cannot be read, or the method does not say what it needs to be judged.
        """
        training = run.method.training
        run.method.eval()
        try:
            rows = processes.share(self.rows, _BATCH)
            judge = self._mirrored if self.segments else self._synthesised
            sums = torch.stack(processes.together(lambda: judge(run, rows))).sum(0)
        finally:
            run.method.train(training)
        if self.segments:
            right, counted = sums.diagonal(), sums.sum(0) + sums.sum(1) - sums.diagonal()
            # a class that is nowhere predicted counts with 0: else one class everywhere would agree the best
            return {"flip_miou": float((right / counted.clamp(min=1)).mean()), "images": len(self.rows)}
        moved, unmoved, pixels = sums.tolist()
        return {
            "photometric": moved / max(pixels, 1), "photometric_unmoved": unmoved / max(pixels, 1),
            "images": len(self.rows),
        }  # fmt: skip

    def _synthesised(self, run: LoadedRun, rows: Sequence[int]) -> Tensor:
        """Sums over the pixels of frames that have a source: error of the synthesis, of the sources as they are, 1."""
        method: Any = run.method
        if self.dataset is None or getattr(method, "synthesis", None) is None:
            raise InputError(f"method {run.config.method} has no view synthesis, so it cannot be judged without truth.")
        synthesis, options, total = method.synthesis, method.synthesis.config.loss, torch.zeros(3, dtype=torch.float64)
        dataset = self.dataset
        parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
        for _, samples in prefetched(lambda part: collate([dataset[row] for row in part]), parts, ahead=2):
            batch = prepare_batch(samples, run.device)
            views = synthesis.views(batch, 0, noise=False)
            seen = synthesize(method.predict(batch["frames"][:, 0])["disparity"].float(), views, options)
            errors = photometric_error(views.sources, views.target, options.ssim_weight, views.statistics)
            unmoved = reduce_sources(errors, views.available, options.reduction)
            there = torch.ones_like(unmoved, dtype=torch.bool)
            if views.available is not None:
                there = there & views.available.any(dim=1)[:, None, None, None]
            sums = [torch.where(there, error, 0).double().sum() for error in (seen.error, unmoved)]
            total += torch.stack([*sums, there.double().sum()]).cpu()
        return total

    def _mirrored(self, run: LoadedRun, rows: Sequence[int]) -> Tensor:
        """Pixels (K, K) by the class that the picture and the class that its mirror image says."""
        network = RunNetwork(run, window=window_of(run.config.evaluate, None, None))
        if network.label_space is None:
            raise InputError(f"method {run.config.method} says no classes, so it cannot be judged without labels.")
        classes = len(network.label_space.classes)
        confusion = torch.zeros(classes, classes, dtype=torch.float64)

        def look(batch: Sequence[Tensor]) -> dict[str, Tensor]:
            logits = network.maps(batch)["logits"]
            mirrored = network.maps([image.flip(-1) for image in batch])["logits"].flip(-1)
            return {"plain": logits.argmax(1), "mirrored": mirrored.argmax(1)}

        images = prefetched(lambda row: working_image(self.manifest, row, network.options), rows)
        for _, maps in Predictor(network, _BATCH).looked_at(images, look):
            confusion += confusion_matrix(maps["plain"].cpu(), maps["mirrored"].cpu(), classes)
        return confusion
