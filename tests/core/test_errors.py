"""Errors on their way between processes."""

from __future__ import annotations

import pickle

import pytest

from skygen_addon.core.errors import CaptureError, SkyGenError


@pytest.mark.parametrize("kind", [SkyGenError, *SkyGenError.__subclasses__()])
def test_an_error_is_the_same_after_pickling(kind: type[SkyGenError]) -> None:
    arrived = pickle.loads(pickle.dumps(kind("No.", "Try again.")))
    assert type(arrived) is kind and str(arrived) == "No. Try again."
    assert (arrived.message, arrived.remedy) == ("No.", "Try again.")


def test_a_subclass_that_is_made_from_more_keeps_what_it_holds() -> None:
    arrived = pickle.loads(pickle.dumps(Detailed(7, "No.", "Try again.")))
    assert type(arrived) is Detailed and (arrived.number, arrived.remedy) == (7, "Try again.")


class Detailed(CaptureError):
    """An error with another constructor, such as RejectedCapture."""

    def __init__(self, number: int, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.number = number
