"""The error that is meant for users, and the one way to stop that is no error."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the file, key or shape, says what was expected and what to do.
    The command line prints it without a traceback and exits with code 2.
    """


class Interrupted(Exception):
    """Training was stopped by a signal, after a checkpoint; ``exit_code`` is 128 plus the signal's number."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
