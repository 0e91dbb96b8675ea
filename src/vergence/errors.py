"""The error that is meant for users, the one way to stop that is no error, what errors of others say, and text that a
terminal does not obey."""

import difflib
import re
from collections.abc import Sequence

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line end, marks that turn the direction of text, and halves of characters."""

_NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator|not enough memory|cannot allocate memory", re.IGNORECASE)


def printable(text: object) -> str:
    r"""Text for people: what a terminal would obey, such as an escape in a file name, is shown as ``\x1b``."""
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), _with_addresses(str(text)))


def nearest(word: str, known: Sequence[str]) -> str:
    """ " (did you mean 'x'?)" with the nearest of the known words, or "".

    Example:
        >>> nearest("trian", ["train", "predict"])
        " (did you mean 'train'?)"
    """
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def first_line(error: Exception) -> str:
    """What an error of a library says, at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def reason(error: Exception) -> str:
    """What the system says went wrong, without the file's name; else what the error says."""
    return getattr(error, "strerror", None) or str(error)


def in_bytes(size: float) -> str:
    """A size for people.

    Example:
        >>> in_bytes(3.2e9), in_bytes(3.2e5)
        ('3.2 GB', '0.3 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def require(condition: bool, message: str) -> None:
    """InputError with this message unless the condition holds."""
    if not condition:
        raise InputError(message)


def check_seed(seed: int | None, name: str) -> None:
    """InputError unless a seed is one that every random generator takes; None is no seed."""
    if seed is not None and not 0 <= seed < 2**63:
        raise InputError(f"{name} is {seed}; give a number from 0 to {2**63 - 1}.")


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory of the machine or of its GPU was too small, in the words of Python, NumPy or PyTorch."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
    )


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the file, key or shape, says what was expected and what to do.
    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_with_addresses(str(message)))


_MIRRORS: set[str] = set()


def _with_addresses(text: str) -> str:
    for mirror in _MIRRORS:
        if mirror in text:
            text = re.sub(re.escape(mirror) + r"([a-z][a-z0-9+.-]*)/", r"\1://", text)
    return text


def say_addresses_of(mirror: str) -> None:
    """Let messages say ``s3://bucket/key`` for ``mirror`` + ``s3/bucket/key``, which stands for it on this machine."""
    _MIRRORS.add(mirror)


class Interrupted(Exception):
    """Training was stopped by a signal, after a checkpoint; ``exit_code`` is 128 plus the signal's number."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
