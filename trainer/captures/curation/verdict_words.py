"""Verdicts and flags in words: what each reason means and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass

NOT_TO_BE_KEPT = frozenset({"low_resolution", "not_panorama", "unreadable"})
"""Reasons that no wish overrules: there is no picture to learn from."""


@dataclass(frozen=True)
class ReasonWords:
    """One reason for a rejection, explained."""

    meaning: str
    """What was found."""
    remedy: str
    """What a person can do."""


REASON_WORDS: dict[str, ReasonWords] = {
    "night": ReasonWords(
        "The sky is lit by stars, the moon or lamps, not by the sun.",
        "Nothing, if it is a night. Keep it if it shows a dark dusk or dawn that you want.",
    ),
    "sun_only": ReasonWords(
        "Most of the sky holds no light at all: only the sun was exposed for.",
        "Merge it with its longer exposures.",
    ),
    "obstructed": ReasonWords(
        "Trees, hills or buildings hide too much of the sky.",
        "Keep it if the part that is open matters to you; what is hidden is masked.",
    ),
    "indoor": ReasonWords(
        "A roof closes the sky overhead.",
        "Keep it if what was taken for a roof is cloud.",
    ),
    "graded": ReasonWords(
        "The values are no measured light: grey only, or a large part of the sky is clipped at one value.",
        "Use the original HDR picture; of a bracket, state the exposures in the file names (docs/captures.md).",
    ),
    "duplicate": ReasonWords(
        "The same scene is there already, at least as large: a copy, turned, mirrored, brighter or recompressed.",
        "Keep it if the two are different skies after all.",
    ),
    "low_resolution": ReasonWords(
        "The picture is too small to hold a sky.",
        "Find a larger version of it.",
    ),
    "not_panorama": ReasonWords(
        "The picture is neither a full 2:1 panorama nor an upward fisheye.",
        "Stitch it to a full panorama.",
    ),
    "unreadable": ReasonWords(
        "The file cannot be read, or not completely.",
        "Copy or export it again, then run ingest again.",
    ),
}
"""Words by reason, in the order in which the report shows them."""

FLAG_WORDS: dict[str, str] = {
    "sun_clipped": "the sun's disc is cut off at a largest value; it is taken out of the training data anyway",
    "non_finite": "some pixels were not numbers and have been mended",
    "negative": "some pixels were negative and have been set to zero",
    "single_channel": "the file holds grey values only",
    "override": "a person gave this verdict",
    "same_sky": "another capture shows the same sky; they share a site",
    "timelapse": "a frame of a time-lapse day",
    "bracket_member": "one exposure of a bracket",
    "bracket": "merged from several exposures",
    "incomplete": "some exposures of the bracket could not be read",
    "registered": "exposures were moved to lie on each other",
    "ghosts": "something moved between the exposures",
    "wide_steps": "exposures more than 3.5 EV apart: what lies between is less sure",
    "white_balance": "the camera's white balance changed between the exposures",
    "dark_clipped": "the longest exposure leaves black places",
    "fisheye": "unwrapped from a fisheye still",
    "single_exposure": "one raw picture, with the range of one exposure",
    "display_referred": "a display picture, not linear light",
    "little_sky": "too little of the sky can be judged to tell its cover",
    "low_sun": "the sun is too low to tell clouds by colour",
    "outlier": "a frame that leaves both its neighbours; its cover is not used",
    "simulated": "made by trainer simulate",
}
"""Words by flag; others are shown as they are."""


def reason_meaning(reason: str | None) -> str:
    """One sentence on a reason; on one that is not known, the word itself."""
    words = REASON_WORDS.get(reason or "")
    return words.meaning if words else f"{reason}."
