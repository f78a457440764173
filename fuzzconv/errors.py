"""The exception tree. What the tools under test do wrong is a value (a verdict), never an exception.

FuzzconvError            base; the CLI prints its one-line message and exits with ``exit_code``
├── UsageError           wrong option, unreadable model or inputs (exit 2)
├── StorageError         the run folder can't be written: full disk, lost mount (exit 2)
├── MissingToolError     a required tool or route is not there (exit 3)
└── WorkersLostError     every worker process of a campaign died (exit 70)
"""


class FuzzconvError(Exception):
    """Base of all errors meant for the user; ``str(error)`` is one line that says what to do next."""

    exit_code = 2


class UsageError(FuzzconvError):
    """The user's input can't be used: a bad option value, a corrupt model, a wrong input shape."""


class StorageError(FuzzconvError):
    """The run folder can't be written; what was found before is in it, and the run can be resumed."""


class MissingToolError(FuzzconvError):
    """A required tool (ncnn, one converter, a route named by ``--require``) is missing."""

    exit_code = 3


class WorkersLostError(FuzzconvError):
    """Workers died one after the other until none was left; what was found before is in the run folder."""

    exit_code = 70
