"""Ray as the engine of every verb that can be shared out: each of its pieces (``--shard I/N``) is a task of Ray Data.

What starts where, what waits and what is done again when a node is lost is left to Ray; a piece that is done twice
changes nothing. Frames of ``predict`` have actors that hold the network (:mod:`vergence.inference.ray_engine`).
"""

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args

import vergence
from vergence.data.buckets.addresses import is_address
from vergence.data.shards import anew
from vergence.errors import InputError, first_line, is_lack_of_memory

Given = ParamSpec("Given")
Made = TypeVar("Made")
_OWN = ("engine", "address", "pieces", "progress")
"""Arguments that a piece is not given."""
_RECIPES = (".yaml", ".yml")


def pieces_on_ray(verb: Callable[Given, Made]) -> Callable[Given, Made]:
    """A verb with ``shard`` that takes ``engine``, ``address`` and ``pieces``, too: with engine ray its pieces are done
    on a cluster that sees the same paths, then it joins them here.

    Raises:
        InputError: of the verb; the engine is unknown, no cluster answers; pieces could not be done, while all others
            are.
    """
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def anywhere(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        given = signature.bind(*args, **kwargs).arguments
        engine, address, pieces = (given.get(name, signature.parameters[name].default) for name in _OWN[:3])
        if engine != "local" or address is not None:
            from vergence.inference.ray_engine import ray_cluster

            cluster = ray_cluster(engine, address, str(given.get("device", "auto")))
            if given.get("shard") is not None or pieces < 1:
                raise InputError(
                    "--engine ray shares out by itself; leave --shard out, and give --pieces of 1 or more."
                )
            paths = {name for name, one in signature.parameters.items() if Path in get_args(one.annotation)}
            plain = {
                name: _anywhere(name, value) if name in paths else value
                for name, value in given.items()
                if name not in _OWN
            }
            _do(f"{verb.__module__}:{verb.__name__}", plain, pieces, cluster)
        return verb(*args, **kwargs)

    return anywhere


def _anywhere(name: str, value: Any) -> Any:
    """A path that is right in any folder; whether something is one does not hang on what this folder has."""
    if isinstance(value, list | tuple):
        return [_anywhere(name, one) for one in value]
    if not isinstance(value, str | Path) or is_address(value) or _is_word(name, str(value)):
        return value
    return Path(value).absolute()


def _is_word(name: str, value: str) -> bool:
    """Whether an argument that may be a path is none: "labelled" for a list, the name of a recipe."""
    if name == "student":
        return not value.lower().endswith(_RECIPES)
    return name in ("exclude", "labelled") and value == "labelled"


def _do(verb: str, given: dict[str, Any], pieces: int, cluster: Any) -> None:
    """All pieces, in any order; InputError where some could not be done."""
    import numpy as np

    from vergence.inference.ray_engine import connected, needs, ray_errors_said

    ray = connected(cluster.address)
    tasks = ray.data.from_numpy([np.array([number]) for number in range(pieces)])
    work = functools.partial(_piece, verb, given, pieces, vergence.__version__)
    failed: dict[int, str] = {}
    with ray_errors_said(ray):
        for row in tasks.map_batches(work, batch_size=1, **needs(ray, cluster)).iter_rows():
            if row["error"]:
                failed[int(row["piece"])] = row["error"]
    if failed:
        number, error = min(failed.items())
        raise InputError(
            f"{len(failed)} of {pieces} pieces could not be done, all others are; correct them and give the same "
            f"command again. The first, {number}/{pieces}: {error}"
        )


def _piece(verb: str, given: dict[str, Any], pieces: int, version: str, batch: dict[str, Any]) -> dict[str, Any]:
    """Do one piece on a node: its number, and what is wrong."""
    import numpy as np

    number, error = int(batch["data"][0]), ""
    module, _, name = verb.partition(":")
    try:
        if version != vergence.__version__:
            raise InputError(
                f"a node of the Ray cluster has Vergence {vergence.__version__} and this is {version}; install one "
                "version on all nodes."
            )
        with anew():  # the call that joins would do all by itself
            getattr(import_module(module), name)(**given, shard=f"{number}/{pieces}")
    except InputError as wrong:
        error = str(wrong)
    except (MemoryError, RuntimeError) as lacking:
        if not is_lack_of_memory(lacking):
            raise
        error = f"a node has too little memory for it ({first_line(lacking)}); give more --pieces, or larger nodes."
    return {"piece": np.array([number]), "error": np.array([error], object)}
