"""A camera whose truth is known: brackets of a radiance picture with response, noise, saturation and motion.

It is what the merge is checked with, and it makes brackets of a capture where none with a free licence exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.captures.readers.picture_file import Picture

Array = NDArray[np.float64]
Curve = Callable[[Array], Array]


def srgb_curve(light: Array) -> Array:
    """IEC 61966-2-1 encoding of light in 0..1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def gamma_curve(gamma: float) -> Curve:
    """Plain power encoding, ``light ** (1 / gamma)``."""

    def curve(light: Array) -> Array:
        return np.asarray(light ** (1 / gamma))

    return curve


def film_curve(contrast: float = 0.9, middle: float = 0.18) -> Curve:
    """An S over log exposure with toe and shoulder, as film and camera styles have (Naka-Rushton form)."""

    def curve(light: Array) -> Array:
        power = light**contrast
        return np.asarray(power * (1 + middle**contrast) / (power + middle**contrast))

    return curve


CAMERAS: dict[str, tuple[Curve, Curve, Curve]] = {
    "srgb": (srgb_curve, srgb_curve, srgb_curve),
    "gamma 2.2": (gamma_curve(2.2), gamma_curve(2.2), gamma_curve(2.2)),
    "film": (film_curve(), film_curve(), film_curve()),
    "per channel": (gamma_curve(2.4), srgb_curve, film_curve(0.8, 0.25)),
}
"""Responses by name, a curve for each of red, green and blue; all take 0..1 to 0..1."""


@dataclass(frozen=True)
class SimulatedCamera:
    """Response, noise and depth of a camera."""

    curves: tuple[Curve, Curve, Curve] | None = CAMERAS["srgb"]
    """Light of 0..1 to code of 0..1 for each channel; None stores light itself (raw)."""
    full_well_e: float = 100_000.0
    """Electrons at saturation: a full-frame sensor at its base sensitivity, about two pixels of it to one of ours."""
    read_noise_e: float = 5.0
    """Standard deviation of the read-out, electrons."""
    bits: int = 8
    """8 or 16 bits a channel."""

    def expose(self, radiance: NDArray[np.floating], exposure: float, seed: int) -> Picture:
        """One picture of a scene.

        Parameters
        ----------
        radiance : ndarray, shape (H, W, 3)
            Linear light; ``radiance * exposure`` = 1 saturates.
        exposure : float
            Relative exposure, light to full scale.
        seed : int
            Of the noise.

        Returns
        -------
        Picture
            With ``exposure`` filled in.
        """
        random = np.random.default_rng(seed)
        electrons = np.minimum(np.asarray(radiance, dtype=np.float64) * exposure, 4.0) * self.full_well_e
        # A normal draw: Poisson to within its own skewness at these counts, and many times faster.
        noise = random.standard_normal(electrons.shape) * np.sqrt(electrons + self.read_noise_e**2)
        light = np.clip((electrons + noise) / self.full_well_e, 0.0, 1.0)
        if self.curves is not None:
            light = np.stack([curve(light[..., c]) for c, curve in enumerate(self.curves)], axis=-1)
        top, kind = (255, np.uint8) if self.bits == 8 else (65535, np.uint16)
        codes = np.rint(light * top).astype(kind)
        return Picture(f"exposure {exposure:g}", codes, self.curves is None, exposure)


def bracket_exposures(radiance: NDArray[np.floating], frames: int = 5, step_ev: float = 2.0) -> list[float]:
    """Exposures around the median, as a photographer sets them: the middle frame puts it at 0.18 of full scale.

    Returns
    -------
    list of float
        Short to long.
    """
    luminance = np.asarray(radiance, dtype=np.float64) @ np.array([0.2126, 0.7152, 0.0722])
    middle = 0.18 / max(float(np.median(luminance)), 1e-12)
    return [middle * 2.0 ** (step_ev * (i - (frames - 1) / 2)) for i in range(frames)]


def synthetic_scene(width: int, seed: int = 0, sun: float = 1e5) -> NDArray[np.float32]:
    """A panorama (W / 2, W, 3) with a graded blue sky, soft clouds, textured ground and a sun of 4 pixels' width.

    Parameters
    ----------
    width : int
        Pixels.
    seed : int
        Of clouds and ground.
    sun : float
        Radiance of the sun; the sky's is about 1.
    """
    random = np.random.default_rng(seed)
    height = width // 2
    rows, columns = np.mgrid[0:height, 0:width]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None, :] * width)
    texture = np.fft.ifft2(np.fft.fft2(random.standard_normal((height, width))) / np.maximum(frequency, 3) ** 1.4).real
    texture /= texture.std()
    up = np.clip(1 - rows / (height / 2), 0, 1)
    sky = np.array([0.35, 0.55, 1.0]) * (0.25 + 0.75 * (1 - up[..., None]) ** 2)
    cloud = np.clip(texture, 0, 1.5)[..., None]
    sky = sky + cloud * np.array([1.3, 1.25, 1.2])
    ground = np.array([0.10, 0.09, 0.05]) * np.exp(0.9 * texture)[..., None]
    scene = np.where((rows < height / 2)[..., None], sky, ground)
    distance = np.hypot(rows - height * 0.3, columns - width * 0.6)
    scene = scene + 6 * np.exp(-distance / (width / 50))[..., None]
    scene[distance < 2] = sun * np.array([1.0, 0.95, 0.9])
    return np.asarray(scene, dtype=np.float32)


def move(
    radiance: NDArray[np.floating], shift_px: tuple[float, float], rotation_deg: float = 0.0
) -> NDArray[np.float32]:
    """The scene as a camera sees it that was moved: content lands at R (p - c) + c + shift.

    Parameters
    ----------
    radiance : ndarray, shape (H, W, 3)
        Rendered finer than the picture that is wanted, so that resampling it does not show; see `shrink`.
    shift_px : tuple of float
        Right and down, pixels.
    rotation_deg : float
        Anti-clockwise about the centre as seen on screen, degrees.

    Returns
    -------
    ndarray, shape (H, W, 3), float32
    """
    import cv2

    height, width = radiance.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rotation_deg, 1.0)
    matrix[:, 2] += np.array(shift_px)
    moved = cv2.warpAffine(
        radiance.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, dtype=np.float32)


def shrink(radiance: NDArray[np.floating], factor: int) -> NDArray[np.float32]:
    """Means over ``factor`` x ``factor`` pixels: what a sensor's pixel integrates."""
    height, width = (n // factor for n in radiance.shape[:2])
    blocks = radiance[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def bracket(
    camera: SimulatedCamera, scenes: Sequence[NDArray[np.floating]], exposures: Sequence[float]
) -> list[Picture]:
    """A stack, one scene for each exposure (the same one again, or one that moved)."""
    return [camera.expose(s, e, seed) for seed, (s, e) in enumerate(zip(scenes, exposures, strict=True))]
