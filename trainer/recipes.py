"""Recipes: named settings of a whole training, from data to the networks of one bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skygen_addon.core.errors import RequestError


@dataclass(frozen=True)
class Recipe:
    """How long each network trains; shares of the minutes given on the command line."""

    name: str
    """Name on the command line."""
    minutes: float
    """Minutes of the whole training when none are given."""
    weather_share: float
    """Part of the minutes for the weather LSTM."""
    shade_share: float
    """Part of the minutes for the shading network."""
    field_share: float
    """Part of the minutes for the CloudField GAN."""
    dense_share: float = 0.0
    """Part of the minutes for the dense GAN of 2021, the baseline, which no bundle contains."""
    shade_steps: int = 3500
    """Steps of the shading network, over which its learning rate falls."""
    cover_windows: int = 16
    """Windows over which the trained field's cover is measured, after its minutes."""

    def __post_init__(self) -> None:
        shares = (self.weather_share, self.shade_share, self.field_share, self.dense_share)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or self.minutes <= 0:
            raise RequestError(
                f"The recipe {self.name} has shares {shares}.", "Give shares of 0 or more that sum to 1."
            )


def quick() -> Recipe:
    """Everything in under an hour on two CPU cores; made the bundle that ships today, part by part."""
    return Recipe("quick", minutes=55.0, weather_share=0.08, shade_share=0.17, field_share=0.75)


def smoke() -> Recipe:
    """A minute, to see that everything runs; what it makes is not worth looking at."""
    return Recipe(
        "smoke", minutes=1.0, weather_share=0.2, shade_share=0.3, field_share=0.5, shade_steps=150, cover_windows=2
    )


def dense_2021() -> Recipe:
    """The baseline: the system of 2021, layer for layer, on the same captures; only the evaluation uses it."""
    return Recipe("dense_2021", minutes=25.0, weather_share=0.0, shade_share=0.0, field_share=0.0, dense_share=1.0)


RECIPES: dict[str, Callable[[], Recipe]] = {"quick": quick, "smoke": smoke, "dense_2021": dense_2021}
"""Recipes by name."""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises
    ------
    RequestError
        If there is no such recipe.
    """
    if name not in RECIPES:
        raise RequestError(f"There is no recipe {name!r}.", f"Choose one of {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]()
