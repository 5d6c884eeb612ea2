"""Errors that carry their remedy. Everything a user can mend is a :class:`SkyGenError`."""

from __future__ import annotations

from typing import Any


class SkyGenError(Exception):
    """A request or an environment that cannot be served, with what to do about it.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence, naming the offending value.
    remedy : str
        What the user can do, in one sentence.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by parts, whatever a subclass is made from: an error of a worker process arrives as what it is."""
        return _restored, (type(self), self.args, self.__dict__)


class RequestError(SkyGenError):
    """A sky request, control, preset or frame range that makes no sense."""


class BundleError(SkyGenError):
    """A model bundle or graph that is missing, damaged or of another schema."""


class JobError(SkyGenError):
    """A sky job file that cannot be read or does not fit this engine."""


class OutputError(SkyGenError):
    """A frame that cannot be written."""


class CaptureError(SkyGenError):
    """A capture that cannot be read."""


def _restored(kind: type[SkyGenError], args: tuple[Any, ...], values: dict[str, Any]) -> SkyGenError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(values)
    return error
