"""Samples of a trained baseline of 2021: for the evaluation, and as sheets for the eye; and the plot of its losses."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from skygen_addon.core.errors import BundleError
from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.whole_file import whole_file

from ..networks.dense_2021 import DenseGenerator
from .dense_2021_images import srgb_to_light

STAGE = "dense"
"""Folder of the baseline within a run directory."""
GENERATOR_FILE = "generator.pt"
"""Generator alone: a hundredth of the checkpoint."""
SHEET_COLUMNS, SHEET_COUNT, ENLARGED = 4, 16, 3
"""Layout of a sheet, and display pixels across one pixel."""


def sample_panoramas(run_dir: Path, count: int, seed: int) -> FloatArray:
    """Panoramas of a trained baseline.

    Parameters
    ----------
    run_dir : Path
        Run directory of recipe ``dense_2021``.
    count : int
        Number of panoramas.
    seed : int
        Of their noise; the same seed gives the same panoramas.

    Returns
    -------
    ndarray, shape (count, 64, 128), float32
        Grey sRGB code values 0 to 1 under the tone-mapping of the training images;
        :func:`linear_panoramas` leads them back to light.

    Raises
    ------
    BundleError
        If the run has no generator that can be read.
    """
    path = run_dir / STAGE / GENERATOR_FILE
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        generator = DenseGenerator(saved["latent"], saved["widths"], saved["rows"])
        generator.load_state_dict(saved["generator"])
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise BundleError(
            f"{path} cannot be read: {error}.", f"Train it: python -m trainer train dense_2021 --out {run_dir}."
        ) from error
    return display_samples(generator, count, seed)


def display_samples(generator: DenseGenerator, count: int, seed: int) -> FloatArray:
    """Display panoramas (count, rows, 2 * rows) from 0 to 1 of a generator, which stays in the mode it was in."""
    noise = torch.randn(count, generator.latent, generator=torch.Generator().manual_seed(seed))
    device, training = next(generator.parameters()).device, generator.training
    generator.eval()
    with torch.no_grad():
        encoded: FloatArray = generator(noise.to(device)).cpu().numpy()
    generator.train(training)
    return (encoded + 1) * np.float32(0.5)


def linear_panoramas(display: FloatArray) -> FloatArray:
    """Linear panoramas of display ones, for comparison with radiance in perspective views.

    Exposure fusion chooses its curve anew in every part of every picture, so no exact inverse exists. What is undone
    is what all pictures share, the sRGB curve; above the horizon's glow the light then follows the captures'
    luminance roughly in proportion, up to a factor per picture. Colour was never learned: all channels are equal.
    The sun's radiance is lost, as white is the most there is; comparisons must set their own exposure.

    Parameters
    ----------
    display : ndarray, shape (n, H, W), float32
        sRGB code values 0 to 1.

    Returns
    -------
    ndarray, shape (n, H, W, 3), float32
        Linear Rec.709, 0 to 1, unit unknown.
    """
    light = srgb_to_light(display)
    return np.repeat(light[..., None], 3, axis=-1)


def save_sheet(display: FloatArray, path: Path) -> None:
    """PNG of up to 16 display panoramas (n, H, W) from 0 to 1, four in a row."""
    codes = np.asarray(np.clip(display[:SHEET_COUNT], 0, 1) * 255 + 0.5, dtype=np.uint8)
    tiles = [np.pad(tile.repeat(ENLARGED, 0).repeat(ENLARGED, 1), 2, constant_values=90) for tile in codes]
    tiles += [np.full_like(tiles[0], 90)] * (-len(tiles) % SHEET_COLUMNS)
    rows: list[NDArray[np.uint8]] = [
        np.concatenate(tiles[start : start + SHEET_COLUMNS], axis=1) for start in range(0, len(tiles), SHEET_COLUMNS)
    ]
    with whole_file(path) as partial:
        Image.fromarray(np.concatenate(rows)).save(partial, format="PNG")
