"""Numbers that are set in the environment."""

import os

from vergence.errors import InputError


def positive(variable: str, default: float, below: float, remedy: str) -> float:
    """A number from the environment, greater than 0 and less than ``below``; ``default`` where it is not set.

    Raises:
        InputError: it is no such number; the sentence ends with ``remedy``.
    """
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
        if text and not 0 < value < below:
            raise ValueError
    except ValueError:
        raise InputError(f"{variable} is {text!r}; {remedy}") from None
    return value


def process_of() -> tuple[int, int]:
    """Which process this is, from 0, and of how many, as torchrun has told it; (0, 1) where nobody has.

    Raises:
        InputError: only half of it is told, or no numbers: each process would take itself for the first.
    """
    world, rank = os.environ.get("WORLD_SIZE"), os.environ.get("RANK")
    if world is None or (world == "1" and not rank):
        return 0, 1
    if not (world.isdecimal() and (rank or "").isdecimal()):
        told = "is not set" if rank is None else f"is {rank!r}"
        raise InputError(f"WORLD_SIZE is {world!r} and RANK {told}; set both to numbers, as torchrun does, or neither.")
    return int(rank or 0), int(world)
