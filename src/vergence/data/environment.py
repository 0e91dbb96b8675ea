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
