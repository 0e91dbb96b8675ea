"""Ray Data as the engine of a prediction: actors that hold the network write the files of the frames they are given.

What is done when a node is lost, how much waits, and how many actors there are is left to Ray; here is only what
connects :class:`~vergence.inference.frame_pass.FramePass` with ``map_batches``.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import vergence
from vergence.errors import InputError, first_line, is_lack_of_memory
from vergence.inference.earlier_results import Files, Results
from vergence.inference.frame_pass import FramePass
from vergence.inference.frame_streams import ManifestStream
from vergence.inference.journal import picture_digest
from vergence.inference.predictor import Predictor
from vergence.progress import Progress

_FRAMES_OF_A_TASK = 16
_MOST_TASKS = 100_000
_WRONG_NODE = "!"
"""Before a sentence that concerns a node and not one frame."""


@dataclass(frozen=True)
class Cluster:
    """Where the work is done."""

    address: str | None = None
    """Address of a Ray cluster; None: that of the environment, or one on this machine."""
    device: str = "auto"
    """Device of the actors: each has a GPU on "cuda", and on "auto" where the cluster has any."""


def ray_cluster(engine: str, address: str | None, device: str) -> Cluster | None:
    """Where an engine works, None where it is this process; InputError for one that is unknown."""
    if engine not in ("local", "ray"):
        raise InputError(f"engine is {engine!r}; give local or ray.")
    if engine == "local" and address is not None:
        raise InputError("address is of a Ray cluster; give --engine ray too, or leave it out.")
    return Cluster(address, device) if engine == "ray" else None


@dataclass(frozen=True)
class Job:
    """What an actor must know to write the files of frames."""

    open: Callable[[], Predictor]
    """Loads the network, on the device of the actor."""
    stream: ManifestStream
    out: Path
    files: list[Files]
    record: dict[str, Any]
    """What is one for all frames."""
    kept: dict[str, str]
    """Digest of the picture by the name of each frame whose files may stay, as an earlier call found it."""
    batch_size: int
    version: str = vergence.__version__

    @classmethod
    def of(
        cls, open: Callable[[], Predictor], stream: ManifestStream, results: Results, skipped: frozenset[str],
        record: dict[str, Any], batch_size: int,
    ) -> "Job":  # fmt: skip
        """That of all frames of a stream, of which some may be skipped."""
        kept = {name: results.pictures[name][0] for name in skipped}
        return cls(open, stream, results.out.absolute(), results.files, record, kept, batch_size)


class FrameWriter:
    """An actor: numbers of frames in a batch to their names, and what is wrong with those that cannot be done.

    Args:
        job: a reference to a :class:`Job`.
    """

    def __init__(self, job: Any) -> None:
        import ray

        self.job, self.refused = ray.get(job), ""
        if self.job.version != vergence.__version__:
            self.refused = (
                f"{_WRONG_NODE}a node of the Ray cluster has Vergence {vergence.__version__} and this is "
                f"{self.job.version}; install one version on all nodes."
            )
            return
        try:
            predictor = self.job.open()
        except InputError as error:
            self.refused = f"{_WRONG_NODE}{error}"
            return
        self.frames = FramePass(predictor, None, {}, self.job.out, self.job.files, self.job.record)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write the files of frames.

        Args:
            batch: "data", places in the stream.

        Returns:
            "name" of each, "picture", the digest of its picture, or "" where its files could stay as they were, and
            "error", which is "" where they are whole.
        """
        stream, numbers = self.job.stream, [int(number) for number in batch["data"]]
        names = [stream.names[number] for number in numbers]
        pictures, errors = dict.fromkeys(names, ""), dict.fromkeys(names, self.refused)
        for number, name in zip(numbers, names, strict=True) if not self.refused else ():
            try:
                pictures[name] = picture_digest(stream.manifest.path(stream.indices[number]))
            except InputError as error:
                errors[name] = str(error)
            if self.job.kept.get(name) == pictures[name]:
                pictures[name] = ""
        if wanted := [number for number in numbers if pictures[stream.names[number]]]:
            errors |= self._written(wanted)
        columns = {"name": names, "picture": pictures.values(), "error": [errors[name] for name in names]}
        return {key: np.array(list(values), object) for key, values in columns.items()}

    def _written(self, numbers: list[int]) -> dict[str, str]:
        """What is wrong with each; all together, or where that fails one by one, so that the others are done."""
        try:
            for _ in self.frames.written(self.job.stream.piece(numbers).frames()):
                pass
        except (InputError, MemoryError, RuntimeError) as error:
            lacks = is_lack_of_memory(error)
            if not (lacks or isinstance(error, InputError)):
                raise
            if len(numbers) == 1:
                reason = f"a node has too little memory for it ({first_line(error)})." if lacks else str(error)
                return {self.job.stream.names[numbers[0]]: reason}
            return {name: text for one in numbers for name, text in self._written([one]).items()}
        return {}


def write_on_ray(
    job: Job, results: Results, cluster: Cluster, progress: Progress | None
) -> tuple[list[str], dict[str, str]]:
    """Predict and write frames in the actors of a Ray cluster that sees the input and the folder at the same paths.

    Returns:
        The names of all frames, written now or before, and of the others why their files could not be written.

    Raises:
        InputError: Ray is not installed, no cluster answers, or a node cannot do any frame.
    """
    names, failed, told = list[str](), dict[str, str](), set[str]()
    for row in _rows(job, cluster):
        name = row["name"]
        if name in told:  # a task that was done again, since its node was lost
            continue
        told.add(name)
        if row["error"]:
            failed[name] = row["error"]
        else:
            names.append(name)
        if row["picture"] and not row["error"]:
            results.written(name, row["picture"])
        if progress is not None:
            progress(len(names) + len(failed), len(job.stream))
    return names, failed


def _rows(job: Job, cluster: Cluster) -> Iterator[dict[str, str]]:
    """What actors say of each frame, in any order, as they are done."""
    ray = connected(cluster.address)
    needed = needs(ray, cluster)
    share = -(-len(job.stream) // max(1, int(ray.cluster_resources().get("GPU" if "num_gpus" in needed else "CPU", 1))))
    frames = max(job.batch_size, min(_FRAMES_OF_A_TASK, share))
    pieces = np.array_split(np.arange(len(job.stream)), min(_MOST_TASKS, -(-len(job.stream) // frames)))
    tasks = ray.data.from_numpy(pieces)  # at hand: to make them would need a processor beside that of an actor
    rows = tasks.map_batches(
        FrameWriter, batch_size=frames, fn_constructor_args=(ray.put(job),),
        compute=ray.data.ActorPoolStrategy(min_size=1), **needed,
    )  # fmt: skip
    with ray_errors_said(ray):
        for row in rows.iter_rows():
            if row["error"].startswith(_WRONG_NODE):
                raise InputError(row["error"].removeprefix(_WRONG_NODE))
            yield row


def needs(ray: Any, cluster: Cluster) -> dict[str, int]:
    """What a task or actor takes of the cluster: a GPU where there is any that may be used, else a processor."""
    has = ray.cluster_resources()
    gpu = cluster.device.startswith("cuda") or (cluster.device == "auto" and has.get("GPU"))
    return {"num_gpus": 1} if gpu else {"num_cpus": 1}


@contextlib.contextmanager
def ray_errors_said(ray: Any) -> Iterator[None]:
    """While entered, what Ray cannot do is one sentence."""
    try:
        yield
    except ray.exceptions.RayError as error:
        reason, remedy = " ".join(str(error).split()), "the same command goes on."
        if isinstance(error, ray.exceptions.OutOfMemoryError) or "memory" in reason.lower():
            remedy = f"where nodes lack memory give a smaller --batch_size or fewer processors a node; {remedy}"
        raise InputError(f"Ray could not do all of it ({reason[-200:]}); {remedy}") from error


def connected(address: str | None) -> Any:
    """Ray, connected to a cluster; InputError where there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tell nobody
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError("--engine ray needs Ray; install it with pip install 'vergence[cluster]'.") from None
    if not ray.is_initialized():
        _join(ray, address or os.environ.get("RAY_ADDRESS"))
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _join(ray: Any, where: str | None) -> None:
    """Connect to a cluster, or start one on this machine."""
    own: dict[str, Any] = {} if where else {"include_dashboard": False}
    try:
        ray.init(where, log_to_driver=False, logging_level=logging.WARNING, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"no Ray cluster answers at {where or 'this machine'} ({reason[:160]}); start it or give --address."
        ) from error
    logging.getLogger("ray.data").setLevel(logging.WARNING)
