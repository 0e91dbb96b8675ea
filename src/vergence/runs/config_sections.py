"""The sections of a recipe that every method has: frames, optimiser, loop, evaluation; each refuses what cannot be."""

from dataclasses import dataclass, field
from typing import Literal

from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError, check_seed, nearest, require
from vergence.settings.label_corruption import LabelCorruption
from vergence.settings.protocols import PROTOCOLS


def parse_size(text: str, what: str, words: str = "") -> tuple[int, int]:
    """Height and width of ``WIDTHxHEIGHT`` (or of one number, a square); InputError where it says neither.

    Args:
        words: what may stand there instead, for the message.
    """
    parts = text.lower().split("x")
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) <= 6]
    if len(numbers) != len(parts) or len(numbers) not in (1, 2) or min(numbers) < 1:
        raise InputError(f"{what} {text[:80]!r} is no size; give {words}WIDTHxHEIGHT, such as 1024x512.")
    return numbers[-1], numbers[0]


def check_overlap(overlap: float, what: str = "overlap") -> None:
    """InputError unless it is a share below 1."""
    require(0 <= overlap < 1, f"{what} is {overlap}; give 0 or more, less than 1.")


def check_resolution(resolution: str, what: str = "resolution") -> tuple[int, int] | None:
    """Height and width where labels are compared, None at the "working" or the labels' "native" size."""
    return None if resolution in ("working", "native") else parse_size(resolution, what, "working, native or ")


@dataclass
class LabelledConfig:
    """Which labelled frames are used as such; what is left out keeps its label closed to training."""

    count: int | None = None
    """How many; null for all."""
    seed: int | None = None
    """Seed of the random choice; null: ``train.seed``. A smaller choice of one seed lies within a larger one."""
    file: str | None = None
    """Take the first ``count`` frames of this list instead: what ``vergence select`` writes, a manifest, or names in a
    text file."""

    def __post_init__(self) -> None:
        count = self.count
        require(count is None or count > 0, f"frames.labelled.count is {count}; give 1 or more, or null for all.")
        check_seed(self.seed, "frames.labelled.seed")


@dataclass
class FramesConfig:
    """Where frames come from and how they become batches."""

    source: str = ""
    """Manifest, folder or video to train on; ``--data`` on the command line."""
    val: str | None = None
    """Another source for evaluation; null: the same."""
    source_domain: str | None = None
    """Labelled data of another domain, such as simulated streets, for the role "source" of methods that adapt."""
    train_split: str = "train"
    """Split of the manifest that is trained on."""
    val_split: str = "val"
    """What ``evaluate.split`` is unless it is given."""
    labelled: LabelledConfig = field(default_factory=LabelledConfig)
    unlabelled: Literal["all", "rest", "labelled"] = "all"
    """Frames of the role "unlabelled": the whole split (labelled ones among them), those that have no label, or the
    labelled ones alone (mixing is then an augmentation of labelled frames)."""
    unlabelled_split: str | None = None
    """Another split for that role, such as that of whole sequences; null: ``train_split``."""
    label_noise: LabelCorruption = field(default_factory=LabelCorruption)
    """Makes pseudo-labels worse on purpose, for studies."""
    options: FrameOptions = field(default_factory=FrameOptions)
    batch_size: int | Literal["auto"] = 12
    """Samples of one forward pass over all processes together; each takes an equal share. With two roles, so many of
    each. auto: as many as fit into free memory, at most 16 on a CPU; the number is stored in the run's recipe."""
    workers: int | Literal["auto"] = "auto"
    """Loading processes beside each training process; their number changes nothing but the speed."""
    cache: bool = True
    """Keep decoded frames at training size on disk."""
    allow_truncated: bool = False
    """Use what can be read of videos that are damaged or cut off."""

    def __post_init__(self) -> None:
        size = self.batch_size
        require(size == "auto" or int(size) > 0, f"frames.batch_size is {self.batch_size}; give 1 or more, or auto.")
        workers = self.workers
        require(workers == "auto" or int(workers) >= 0, f"frames.workers is {workers}; give 0 or more, or auto.")


@dataclass
class OptimConfig:
    """Optimiser and learning rate; steps are optimiser steps."""

    name: str = "adam"
    """adam, adamw, sgd (without Nesterov's momentum), or any other of timm's factory, such as lion, nesterov, muon or
    lookahead_adamw."""
    lr: float = 1e-4
    """Learning rate."""
    weight_decay: float = 0.0
    """0 or more."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """For adam and others that have betas; an optimiser with three has timm's, unless three are given."""
    momentum: float = 0.9
    """For sgd and others that have one."""
    schedule: Literal["constant", "poly", "step", "multi_step", "cosine"] = "constant"
    """How the rate changes over the steps."""
    milestones: tuple[int, ...] = ()
    """Steps after which ``schedule`` multi_step multiplies the rate by ``gamma``."""
    step_size: int = 0
    """Steps between the drops of ``schedule`` step."""
    gamma: float = 0.1
    """Factor of the rate at each drop of ``schedule`` step and multi_step."""
    power: float = 0.9
    """Power of ``schedule`` poly: ``(1 - step / steps) ** power``."""
    warmup: int = 0
    """Steps in which the rate grows linearly to that of the schedule; never more than a tenth of the run."""
    group_lr: dict[str, float] = field(default_factory=dict)
    """Base rate of a parameter group by name (of depth: encoder, decoder; of segmentation: encoder, segmentation,
    depth; of both: pose, intrinsics); 0 or missing: ``lr``."""
    clip: float | None = None
    """Largest norm of the gradient of all parameters together; null for none."""
    fused: Literal["auto", "always", "never"] = "auto"
    """adam, adamw and sgd in one pass over all weights (one launch on a GPU); equal within rounding. auto: on a GPU."""

    def __post_init__(self) -> None:
        self.betas, self.milestones = tuple(self.betas), tuple(self.milestones)
        require(
            len(self.betas) in (2, 3) and all(0 <= beta < 1 for beta in self.betas),
            f"optim.betas are {list(self.betas)}; give two (or three) numbers of 0 or more, less than 1.",
        )
        require(0 <= self.momentum < 1, f"optim.momentum is {self.momentum}; give 0 or more, less than 1.")
        require(self.gamma > 0, f"optim.gamma is {self.gamma}; give a positive number.")
        require(self.power >= 0, f"optim.power is {self.power}; give 0 or more.")
        require(all(one > 0 for one in self.milestones), "optim.milestones must be steps of 1 or more.")
        require(self.lr > 0, f"optim.lr is {self.lr}; give a positive number.")
        require(self.weight_decay >= 0, f"optim.weight_decay is {self.weight_decay}; give 0 or more.")
        require(self.warmup >= 0, f"optim.warmup is {self.warmup}; give a number of steps, 0 for none.")
        require(self.clip is None or self.clip > 0, f"optim.clip is {self.clip}; give a positive number or null.")
        require(
            list(self.milestones) == sorted(self.milestones),
            f"optim.milestones are {list(self.milestones)}; give steps in rising order.",
        )
        require(
            self.schedule != "step" or self.step_size > 0,
            "optim.schedule is 'step' and optim.step_size is not set; give the number of steps between drops.",
        )
        for name, rate in self.group_lr.items():
            require(rate >= 0, f"optim.group_lr.{name} is {rate}; give a positive number, or 0 for optim.lr.")


@dataclass
class TrainConfig:
    """The training loop."""

    steps: int = 1000
    """Optimiser steps of the whole run."""
    seed: int = 0
    """Seed of weights, data order and augmentation."""
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    """no: 32 bits; fp16 needs a GPU. auto: bf16 on a processor with instructions for it, elsewhere no."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one step."""
    ema: float | None = None
    """Decay of the running mean of weights that is evaluated and stored as the model, such as 0.999; null for none."""
    log_every: int = 10
    """Steps between rows of metrics.jsonl."""
    evaluate_every: int = 0
    """Steps between evaluations; 0 for none."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    stop_after: int = 0
    """Evaluations without a better score after which training ends; 0: it goes on to the last step."""
    keep: int = 2
    """Newest checkpoints kept; the best one stays besides."""
    keep_states: int = 1
    """Newest checkpoints that can be resumed from; of the others the weights alone are kept. 2: a torn one can be gone
    back behind."""
    async_checkpoints: bool = False
    """Copy what a checkpoint holds to the host's memory and write it while training goes on, one at a time. A failure
    is told at the next checkpoint, or at the end."""
    channels_last: bool = True
    """Memory layout of convolutions; faster on CPUs and GPUs alike."""
    compile: bool | Literal["step"] = False
    """true: torch.compile of encoder, depth's decoder and pose network, at most three graphs without a break; losses,
    whose gradients are written by hand, stay as they are. step: of the whole step, losses included, whose gradients the
    compiler then makes itself; mixing with its draws stays as it is. The first steps take minutes; CPUs gain
    nothing and get wrong gradients of some steps (step is refused there), GPUs were not measured."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    find_unused_parameters: bool = False
    """For several processes and a method that leaves parameters out of some steps."""
    sync_batchnorm: bool = False
    """On several GPUs: batch norm over the frames of all of them, as one GPU would with the whole batch."""
    sharded: bool = False
    """Several processes keep a part of every weight, gradient and state of the optimiser each (PyTorch's FSDP2), and an
    encoder's block is whole only while it computes: for encoders that are too large for one GPU. No effect on one
    process; not with precision fp16 or compile."""
    deterministic: bool = False
    """On a GPU: slower algorithms that give the same numbers in every run and on resuming. Equal numbers are not
    guaranteed there: where PyTorch has no such algorithm it only warns, and training goes on with one that may differ.
    Without it the fastest convolutions are looked for at the start. A CPU gives the same numbers anyway."""
    allow_changes: bool = False
    """Resume on other data, another seed or batch size than the run was trained on; forgotten afterwards."""
    fresh_optimizer: bool = False
    """Resume from weights alone, as older checkpoints keep them: the optimiser's state, and teachers, begin anew;
    forgotten afterwards."""
    timeout: float = 600.0
    """Seconds that one of several processes waits for the others before it says that one is lost."""
    trackers: tuple[str, ...] = ()
    """tensorboard, wandb, each with the extra of its name, such as ``pip install 'vergence[wandb]'``; metrics.jsonl in
    the run folder is always written."""

    def __post_init__(self) -> None:
        self.trackers = tuple(self.trackers)
        for name in ("steps", "accumulate", "log_every", "checkpoint_every", "keep", "keep_states"):
            require(getattr(self, name) > 0, f"train.{name} is {getattr(self, name)}; give 1 or more.")
        require(self.evaluate_every >= 0, f"train.evaluate_every is {self.evaluate_every}; give 0 (never) or more.")
        require(self.stop_after >= 0, f"train.stop_after is {self.stop_after}; give 0 (never) or more.")
        require(self.ema is None or 0 < self.ema < 1, f"train.ema is {self.ema}; give a decay such as 0.999, or null.")
        alone = not (self.compile or self.precision == "fp16")
        require(not self.sharded or alone, "train.sharded goes with neither train.compile nor fp16; use bf16 or no.")
        require(0 < self.timeout < 1e8, f"train.timeout is {self.timeout}; give seconds, such as 600.")
        check_seed(self.seed, "train.seed")


@dataclass
class EvaluateConfig:
    """Evaluation during training, and the default of ``vergence evaluate``."""

    protocol: str = "plain"
    """How depth is scored: eigen, improved or plain; see docs/evaluate.md."""
    flip: bool = False
    """Average with the prediction of the mirrored frame."""
    split: str | None = None
    """Split of the manifest that is scored; null: ``frames.val_split``."""
    limit: int | None = None
    """At most so many images, evenly spaced; null for all."""
    resolution: str = "working"
    """Where classes are compared: working (the network's input size, as the papers do), native (each label's own), or
    WIDTHxHEIGHT."""
    classes: Literal["all", "synthia16", "synthia13", "synthia16_dropped", "synthia13_dropped"] = "all"
    """Classes that means are taken over: all, or the 16 or 13 of SYNTHIA to Cityscapes; "dropped" leaves labelled
    pixels of the other classes out, which count as errors otherwise (docs/evaluate.md)."""
    window: str | None = None
    """WIDTHxHEIGHT of a window that slides over frames larger than it, as ``--window`` of evaluate and predict; null
    for the whole frame at once."""
    overlap: float = 0.5
    """Share of the window that neighbouring windows have in common."""

    def __post_init__(self) -> None:
        protocol, known = self.protocol, list(PROTOCOLS)
        near = nearest(protocol, known)
        require(protocol in known, f"evaluate.protocol {protocol!r} is unknown{near}; use one of {', '.join(known)}.")
        if self.window is not None:
            parse_size(self.window, "evaluate.window", "null or ")
        check_resolution(self.resolution, "evaluate.resolution")
        require(self.limit is None or self.limit > 0, f"evaluate.limit is {self.limit}; give 1 or more, or null.")
        check_overlap(self.overlap, "evaluate.overlap")
