"""Which panoramas are not matched, why, and what to do instead."""

from __future__ import annotations

from ...core.errors import CaptureError
from ...core.measuring.cloud_opacity import CloudEstimate
from ...core.measuring.measure import Measurement
from ...core.measuring.sky_state import judged_share

LEAST_SKY_SHARE = 0.02
"""Share of the sky above 5 degrees that must be open to match anything, and of that above 15 in which clouds must be
told."""

WHY_NOT = {
    "night": ("It is a night sky, lit by no sun.", "Choose a sky by day or twilight."),
    "indoor": ("It was taken indoors: hardly any sky is seen.", "Choose a panorama taken under an open sky."),
    "sun_only": ("It shows the sun alone; the sky around it is black.", "Choose one with the sky's own light."),
    "graded": (
        "Its highlights are cut or it has no colours: it holds no high dynamic range.",
        "Choose the original .hdr or .exr, not one made from a picture.",
    ),
    "not_panorama": ("It shows too little of the sky dome.", "Use a full equirectangular panorama."),
    "obstructed": (
        "Trees, buildings or hills hide most of the sky.",
        "Choose a more open one, or match the visible part anyway.",
    ),
}
"""Message and remedy for each of the measuring's reasons."""

NEXT_TO_NONE = ("Next to no sky is seen in it.", "Choose a panorama taken under an open sky.")
"""Message and remedy where even what is seen cannot be matched."""


def check_sky(measured: Measurement, anyway: bool) -> None:
    """Refuse a panorama that is no sky by day; with ``anyway`` one of which little is seen passes.

    Raises
    ------
    CaptureError
        With the reason and a remedy.
    """
    reason = measured.reason
    if reason is None or (anyway and reason == "obstructed" and measured.evidence.sky_share >= LEAST_SKY_SHARE):
        return
    message, remedy = WHY_NOT[reason]
    if reason == "obstructed" and measured.evidence.sky_share < LEAST_SKY_SHARE:
        message, remedy = NEXT_TO_NONE
    raise CaptureError(message, remedy)


def check_clouds(clouds: CloudEstimate) -> None:
    """Refuse a sky that is seen only where no clouds can be told: at the horizon, or beside the sun.

    Raises
    ------
    CaptureError
        With a remedy.
    """
    if judged_share(clouds) < LEAST_SKY_SHARE:
        raise CaptureError(*NEXT_TO_NONE)
