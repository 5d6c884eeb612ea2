"""Compare the clear sky with Blender, SPCTRL2 and photons: tables on the screen and docs/clear_sky.png.

    python3 -c 'import build; build.side_environment("bpy-5.0"); build.main_environment("comparison")'
    .venv-bpy-5.0/bin/python tests/comparison/clear_sky_blender.py build/comparison
    PYTHONPATH=. .venv/bin/python -m tests.comparison.clear_sky_figure build/comparison docs/clear_sky.png

A few minutes on one thread.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.comparison import clear_sky_numbers as numbers

SUNS_DEG = (-4.0, 0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 85.0)
IRRADIANCE_SUNS_DEG = (5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 75.0, 90.0)
SHOWN_DEG = (5.0, 20.0, 60.0)
PROFILE_DEG = np.array([2.0, 5, 10, 20, 30, 45, 60, 75, 90, 105, 120, 135, 150, 160, 170, 175, 178])
"""Elevations along the sun's vertical plane, over the zenith to the other side."""


def vertical_plane(elevation_deg: np.ndarray) -> np.ndarray:
    """Directions (N, 3) in the plane of +X and the zenith."""
    angle = np.deg2rad(elevation_deg)
    return np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1)


def compare_with_blender(folder: Path) -> dict[str, dict[float, tuple[float, ...]]]:
    """Per air and sun: irradiance ratio, RMS, RMS without the aureole, RMS after one factor for all suns."""
    table: dict[str, dict[float, tuple[float, ...]]] = {}
    weight = numbers.solid_angles()
    for name, air in numbers.AIRS.items():
        pairs = {
            sun: (*numbers.our_panorama(sun, air), numbers.blender_panorama(folder, name, sun)) for sun in SUNS_DEG
        }
        logs = [np.average(np.log(ours / theirs), weights=weight) for s, (ours, _, theirs) in pairs.items() if s > 0]
        factor = float(np.exp(-np.mean(logs)))
        print(f"\nBlender 5.0, {name} air (haze {air.haze:g}); one factor for all suns above 0: {factor:.3f}")
        print("  sun  ours/Blender  RMS   without aureole  after the factor (without aureole)")
        table[name] = {}
        for sun, (ours, angle, theirs) in pairs.items():
            outside = weight * (angle > numbers.AUREOLE_DEG)
            ratio = numbers.horizontal_irradiance(ours) / numbers.horizontal_irradiance(theirs)
            row = [numbers.relative_rms(ours * scale, theirs, w) for scale in (1.0, factor) for w in (weight, outside)]
            print(f"{sun:5.1f}  {ratio:8.3f}    " + "  ".join(f"{100 * value:5.1f} %" for value in row))
            table[name][sun] = (ratio, *row)
    return table


def compare_irradiance() -> dict[float, tuple[float, ...]]:
    """Per sun: ours over SPCTRL2 in direct, diffuse and global light, and ours over photons in diffuse light."""
    print("\nSPCTRL2 and photons, reference air\n  sun  direct  diffuse  global  diffuse/photons  photons/SPCTRL2")
    table = {}
    air = numbers.AIRS["reference"]
    for sun in IRRADIANCE_SUNS_DEG:
        ours, bird = numbers.our_irradiance(sun, air), numbers.spctrl2_irradiance(sun, air)
        photons = numbers.photon_irradiance(sun, air)
        row = (ours[0] / bird[0], ours[1] / bird[1], sum(ours) / sum(bird), ours[1] / photons, photons / bird[1])
        print(f"{sun:5.1f}  " + "   ".join(f"{value:.3f}" for value in row))
        table[sun] = row
    return table


def draw_profile(axes: Axes, folder: Path, sun: float) -> None:
    """Luminance along the sun's vertical plane: ours, Blender's, the photons'."""
    air, fine = numbers.AIRS["reference"], np.linspace(0.7, 179.3, 256)
    axes.semilogy(fine, numbers.luminance_towards(vertical_plane(fine), sun, air), "C0", label="SkyGen")
    panorama = numbers.blender_panorama(folder, "reference", sun)
    rows = 90 - (np.arange(panorama.shape[0]) + 0.5) * 90 / panorama.shape[0]
    plane = np.concatenate([panorama[::-1, numbers.WIDTH // 2], panorama[:, 0]])
    axes.semilogy(np.concatenate([rows[::-1], 180 - rows]), plane, "C1", label="Blender 5.0")
    photons = numbers.photon_luminance(vertical_plane(PROFILE_DEG), sun, air)
    axes.semilogy(PROFILE_DEG, photons, "k.", label="photons (Monte Carlo)")
    axes.set_title(f"sun at {sun:g}°: along the sun's vertical plane", fontsize=9)
    axes.set_xlabel("elevation, over the zenith (90°)")
    axes.set_ylabel("W m$^{-2}$ sr$^{-1}$ (Y)")
    axes.set_xticks(range(0, 181, 30))
    axes.legend(fontsize=7)


def draw_hemisphere(figure: Figure, axes: Axes, folder: Path, sun: float) -> None:
    """Ours over Blender's luminance on the sky disc, the sun's azimuth to the right."""
    ours, _ = numbers.our_panorama(sun, numbers.AIRS["reference"])
    ratio = np.roll(ours / numbers.blender_panorama(folder, "reference", sun), -numbers.WIDTH // 2, axis=1)
    azimuth = np.linspace(0, 2 * np.pi, numbers.WIDTH + 1)
    zenith_deg = np.linspace(0, 90, ratio.shape[0] + 1)
    mesh = axes.pcolormesh(azimuth, zenith_deg, ratio, cmap="RdBu_r", vmin=0.5, vmax=1.5, rasterized=True)
    axes.set_title(f"SkyGen / Blender, sun at {sun:g}°", fontsize=9)
    axes.plot(0, 90 - sun, "k+")
    axes.set_xticks([])
    axes.set_yticks([])
    figure.colorbar(mesh, ax=axes, shrink=0.8)


def draw_figure(folder: Path, target: Path) -> None:
    """Write the figure: hemispheres, profiles, errors over sun elevation, irradiance ratios."""
    blender, irradiance = compare_with_blender(folder), compare_irradiance()
    figure = Figure(figsize=(13, 10.5), layout="constrained")
    for i, sun in enumerate(SHOWN_DEG):
        draw_hemisphere(figure, figure.add_subplot(3, 3, i + 1, projection="polar"), folder, sun)
        draw_profile(figure.add_subplot(3, 3, i + 4), folder, sun)
    left, middle, right = (figure.add_subplot(3, 3, i) for i in (7, 8, 9))
    for style, name in (("-o", "reference"), ("--s", "clean")):
        suns = list(blender[name])
        rows = np.array([blender[name][sun] for sun in suns])
        label = f"haze {numbers.AIRS[name].haze:g}"
        left.plot(suns, 100 * rows[:, 1], "C0" + style, ms=4, label=f"{label}, absolute")
        left.plot(suns, 100 * rows[:, 3], "C1" + style, ms=4, label=f"{label}, after one factor")
        middle.plot(suns, rows[:, 0], "C0" + style, ms=4, label=label)
    left.axhline(10, color="grey", lw=0.8)
    left.set(title="RMS of luminance against Blender, %", xlabel="sun elevation, °", ylim=(0, None))
    middle.set(title="sky irradiance, SkyGen / Blender", xlabel="sun elevation, °", ylim=(0.6, 1.4))
    suns = list(irradiance)
    rows = np.array(list(irradiance.values()))
    for column, label in enumerate(("direct / SPCTRL2", "diffuse / SPCTRL2", "global / SPCTRL2", "diffuse / photons")):
        right.plot(suns, rows[:, column], "-o", ms=4, label=label)
    right.axhspan(0.95, 1.05, color="0.92")
    right.set(title="horizontal irradiance", xlabel="sun elevation, °", ylim=(0.8, 1.3))
    for axes in (left, middle, right):
        axes.title.set_fontsize(9)
        axes.legend(fontsize=7)
    figure.savefig(target, dpi=80)
    print(f"\n{target}  {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("clear_sky_figure.py: two arguments are needed: FOLDER_OF_PANORAMAS FIGURE", file=sys.stderr)
        sys.exit(2)
    draw_figure(Path(sys.argv[1]), Path(sys.argv[2]))
