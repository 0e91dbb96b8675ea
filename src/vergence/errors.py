"""The one error that is meant for users."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the file, key or shape, says what was expected and what to do.
    The command line prints it without a traceback and exits with code 2.
    """
