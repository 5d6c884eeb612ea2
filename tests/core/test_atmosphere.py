"""Clear sky: against numbers known without it, by other routes, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core import atmosphere, spectrum
from skygen_addon.core.air import Air, horizon_dip_rad, slant_columns, sun_transmittance, sun_visible_fraction
from skygen_addon.core.atmosphere import (
    SKY_VIEW_SHAPE,
    clear_sky,
    sky_view_coordinates,
)
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import REC709_LUMINANCE, direction_from_angles
from skygen_addon.core.phase_functions import (
    DROPLET_LOBES,
    DROPLET_PEAK_ASYMMETRY,
    DROPLET_PEAK_SHARE,
    aerosol_phase,
    aureole_phase,
    broad_aerosol_phase,
    henyey_greenstein,
    rayleigh_phase,
    repeated_aerosol_phase,
)
from skygen_addon.core.scattering import Skylight

REFERENCE = Air()


def _sky(elevation_deg: float, air: Air = REFERENCE):
    return clear_sky(float(np.deg2rad(elevation_deg)), air)


def _row(elevation_deg: float) -> int:
    return round((1 - np.sqrt(elevation_deg / 90)) * (SKY_VIEW_SHAPE[0] - 1))


def test_phase_functions_integrate_to_one() -> None:
    mu, weight = np.polynomial.legendre.leggauss(400)
    for phase in (rayleigh_phase, aerosol_phase, repeated_aerosol_phase):
        assert 2 * np.pi * (weight * phase(mu)).sum() == pytest.approx(1, abs=1e-6)


MIE = {0.5: 8.12, 1: 6.27, 2: 3.65, 4: 1.57, 8: 0.66, 16: 0.406, 32: 0.251, 60: 0.087, 90: 0.028}
"""Degrees from the sun: phase function in 1/sr at 550 nm of the particles over GSFC, by Mie scattering
(``tests/comparison/mie_phase.py``)."""


def test_aerosol_scatters_as_measured_particles_do() -> None:
    """Within a quarter from half a degree to 90: a single lobe is off by a factor of three."""
    told = aerosol_phase(np.cos(np.deg2rad(list(MIE))))
    assert told == pytest.approx(list(MIE.values()), rel=0.25)
    mu, weight = np.polynomial.legendre.leggauss(400)
    mean_cosine = 2 * np.pi * (weight * mu * aerosol_phase(mu)).sum()
    assert mean_cosine == pytest.approx(0.605, abs=0.02)


DROPLETS = {0.3: 514, 0.6: 341, 1: 140, 2: 12.4, 4: 2.07, 8: 0.74, 16: 0.423, 32: 0.164, 60: 0.022}
"""The same of water droplets with an effective radius of 10 micrometres."""


def test_droplets_scatter_as_by_mie() -> None:
    """Within the half by which lobes miss diffraction rings; one lobe of 0.88 is off by a factor of 4 at 6 degrees."""
    mu = np.cos(np.deg2rad(list(DROPLETS)))
    parts = ((DROPLET_PEAK_SHARE, DROPLET_PEAK_ASYMMETRY), *DROPLET_LOBES)
    told = sum(share * henyey_greenstein(mu, g) for share, g in parts)
    assert told == pytest.approx(list(DROPLETS.values()), rel=0.5)
    assert sum(share for share, _ in parts) == pytest.approx(1)
    assert sum(share * g for share, g in parts) == pytest.approx(0.864, abs=0.03)


def test_parts_of_the_table_are_its_radiance() -> None:
    """What the engine multiplies by the aureole's phase function itself sums to the table's radiance at its texels."""
    sky = _sky(25)
    rows, columns = SKY_VIEW_SHAPE
    elevation, azimuth = np.pi / 2 * (1 - np.linspace(0, 1, rows)) ** 2, np.pi * np.linspace(0, 1, columns)
    cosine = np.cos(np.deg2rad(25)) * np.outer(np.cos(elevation), np.cos(azimuth))
    cosine = cosine + np.sin(np.deg2rad(25)) * np.sin(elevation)[:, None]
    whole = sky.parts[..., :3] + sky.parts[..., 3:] * aureole_phase(cosine)[..., None]
    np.testing.assert_allclose(whole, sky.radiance, rtol=1e-5)
    beside = sky.parts[_row(25) - 2 : _row(25) + 3, :3, :3]
    assert np.ptp(beside @ REC709_LUMINANCE) < 0.25 * (beside @ REC709_LUMINANCE).mean()  # smooth beside the sun
    assert broad_aerosol_phase(np.array([1.0])) < 1.5


def test_white_point_and_luminance_of_the_colour_matrix() -> None:
    """D65 times the Rec.709 matrix is white; an equal-energy spectrum has x = y = 1/3 (Wyman's fit: 0.5 %)."""
    assert spectrum.XYZ_TO_REC709 @ spectrum.D65_XYZ == pytest.approx([1, 1, 1], abs=1e-4)
    xyz = spectrum.colour_matching(np.arange(360.0, 831.0)).sum(0)
    assert xyz / xyz.sum() == pytest.approx([1 / 3, 1 / 3, 1 / 3], rel=5e-3)
    assert xyz[1] == pytest.approx(106.857, rel=5e-3)  # CIE 015: integral of y-bar at 1 nm


def test_rayleigh_depth_against_published_values() -> None:
    """Bodhaine et al. 1999, table 3: 0.36061 at 400 nm, 0.09708 at 550 nm, 0.03610 at 700 nm, sea level."""
    depth = spectrum.rayleigh_optical_depth(np.array([400.0, 550.0, 700.0]))
    assert depth == pytest.approx([0.3606, 0.0971, 0.0361], rel=0.015)


def test_eight_wavelengths_stand_for_three_hundred() -> None:
    """Beer's law at 1 nm against the eight wavelengths: within 2 % of the largest channel up to 36 air masses."""
    fine = np.arange(375.0, 731.0)
    source = spectrum.colour_matching(fine) * spectrum.solar_irradiance(fine)[:, None]
    to_rgb = spectrum.xyz_to_project()

    def light(wavelength: np.ndarray, mass: float, haze: float, scattered: bool) -> np.ndarray:
        rayleigh = spectrum.rayleigh_optical_depth(wavelength)
        depth = mass * (rayleigh + 0.1 * haze * (wavelength / 550) ** -1.3)
        depth = depth + min(mass, 15) * spectrum.ozone_optical_depth(wavelength, 300)
        return np.exp(-depth) * (rayleigh if scattered else 1.0)

    for scattered in (False, True):
        for mass in (0, 1, 3, 10, 36):
            for haze in (0.0, 1.0, 4.0):
                true = light(fine, mass, haze, scattered) @ source @ to_rgb
                ours = light(spectrum.WAVELENGTHS_NM, mass, haze, scattered) @ spectrum.solar_to_rgb()
                assert np.abs(ours - true).max() < 0.02 * np.abs(true).max()


def test_columns_to_space_match_known_air_masses() -> None:
    """Straight up the column is the scale height; sec(z) at 30 degrees; Chapman's sqrt(pi R / 2 H) at the horizon."""
    up, slant, level = slant_columns(np.zeros(3, np.float32), np.deg2rad([90.0, 30.0, 0.0]), 0.0)
    assert up == pytest.approx([8.0, 1.3, 15.0], rel=0.01)
    assert slant[:2] == pytest.approx([16.0, 2.6], rel=0.01)
    chapman = np.sqrt(np.pi * 6371 * np.array([8.0, 1.3]) / 2)
    assert level[:2] == pytest.approx(chapman, rel=0.01)
    looking_through = slant_columns(np.float32([10.0]), -horizon_dip_rad(np.float32([10.0])), 0.0)
    outward = slant_columns(np.float32([10.0]), horizon_dip_rad(np.float32([10.0])), 0.0)
    # from 10 km over the horizon point: twice the horizontal path less the outward rest
    assert looking_through[0, 0] == pytest.approx(2 * level[0] - outward[0, 0], rel=0.02)


def test_direct_light_obeys_beer_and_sets_smoothly() -> None:
    """Overhead, pure molecules: exp(-depth); the disc's fraction is 1, 1/2, 0 and its light falls monotonically."""
    clean = Air(haze=0.0, ozone_du=0.0)
    got = sun_transmittance(0.0, np.pi / 2, clean)
    assert got == pytest.approx(np.exp(-spectrum.rayleigh_optical_depth(spectrum.WAVELENGTHS_NM)), rel=1e-3)
    assert sun_visible_fraction(np.array([0.01, 0.0, -0.01])) == pytest.approx([1, 0.5, 0])
    for height in (0.0, 3.0, 10.0):
        dip = float(horizon_dip_rad(height))
        assert np.cos(dip) == pytest.approx(6371 / (6371 + height), abs=1e-9)
        elevation = np.linspace(-dip - 0.006, -dip + 0.006, 400)
        light = sun_transmittance(np.full(400, height), elevation, REFERENCE)[:, -1].astype(np.float64)
        assert light[0] == 0 and light[-1] > 0
        assert (np.diff(light) >= -1e-9).all()
        assert np.diff(light).max() < 0.03 * light[-1]  # no jump


def test_reference_card_is_white_and_its_constant_is_the_models() -> None:
    sky = _sky(60)
    card = (sky.sky_irradiance + sky.sun_irradiance * np.sin(np.pi / 3)) / np.pi
    assert card == pytest.approx([1, 1, 1], rel=3e-3)  # REFERENCE_CARD_XYZ is rounded to four digits
    xyz = card @ np.linalg.inv(spectrum.xyz_to_project())
    assert xyz == pytest.approx(spectrum.REFERENCE_CARD_XYZ, rel=3e-3)
    assert 683 * xyz[1] * np.pi == pytest.approx(105_000, rel=0.05)  # lux, clear sky and sun at 60 degrees


def test_irradiance_is_that_of_the_table() -> None:
    """Quadrature of the sampled table by another rule, and the ambient light at the ground, give sky_irradiance."""
    for elevation_deg in (60, 10, -3):
        sky = _sky(elevation_deg)
        sun = direction_from_angles(0.7, np.deg2rad(elevation_deg))
        rng = np.random.default_rng(0)
        sine, azimuth = np.sqrt(rng.random(200_000)), 2 * np.pi * rng.random(200_000)
        flat = np.sqrt(1 - sine**2)
        u, v = sky_view_coordinates(np.stack([flat * np.sin(azimuth), flat * np.cos(azimuth), sine], -1), sun)
        row, column = (np.round(c * (n - 1)).astype(int) for c, n in zip((v, u), SKY_VIEW_SHAPE, strict=True))
        mean = sky.radiance[row, column].mean(0)
        assert mean * np.pi == pytest.approx(sky.sky_irradiance, rel=0.015)  # nearest texel, random points
        assert sky.sky_mean_radiance_at(0.0) == pytest.approx(sky.sky_irradiance / np.pi, rel=0.02)


def test_a_uniform_sky_lights_the_ground_with_pi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Light that is the same from everywhere: the table's own quadrature and that of the ambient light give pi and 1.

    The trapezoid rule over 127 steps of v, at whose start the integrand has a slope, errs by pi^2 / (6 x 127^2) = 1e-4.
    """

    def uniform(height_km: float, elevation: np.ndarray, azimuth: np.ndarray, *_: object) -> Skylight:
        nothing = np.zeros((elevation.size, azimuth.size, spectrum.WAVELENGTHS_NM.size))
        return Skylight(nothing, nothing, nothing, nothing + 1)

    monkeypatch.setattr(atmosphere, "skylight", uniform)
    sky = clear_sky.__wrapped__(0.5, REFERENCE)  # past the cache, which outlives this test
    radiance = sky.radiance[0, 0]
    assert radiance.min() > 0
    np.testing.assert_allclose(sky.radiance, np.broadcast_to(radiance, sky.radiance.shape), rtol=1e-5)
    np.testing.assert_allclose(sky.sky_irradiance / radiance, np.pi, rtol=1.2e-4)
    np.testing.assert_allclose(sky.sky_mean_radiance_at(3.0) / radiance, 1.0, rtol=1e-5)


def test_coordinates_follow_their_definition() -> None:
    sun = direction_from_angles(1.0, 0.3)
    for elevation, offset in ((0.2, 0.5), (1.0, -2.0), (0.0, np.pi), (-0.4, 0.1)):
        u, v = sky_view_coordinates(direction_from_angles(1.0 + offset, elevation), sun)
        assert u == pytest.approx(abs(offset) / np.pi, abs=1e-9)
        assert v == pytest.approx(1 - np.sqrt(max(elevation, 0) / (np.pi / 2)), abs=1e-7)
    assert sky_view_coordinates(np.array([0.0, 0.0, 1.0]), sun)[1] == 0
    zenith_sun = sky_view_coordinates(np.array([[1.0, 0, 0], [0, 0, -1.0]]), np.array([0.0, 0, 1.0]))
    assert np.isfinite(zenith_sun).all()


def test_table_joins_at_the_zenith_and_peaks_at_the_sun() -> None:
    sky = _sky(30)
    assert np.ptp(sky.radiance[0], axis=0) == pytest.approx(0, abs=1e-6)
    brightest = np.unravel_index(np.argmax(sky.radiance @ REC709_LUMINANCE), SKY_VIEW_SHAPE)
    assert brightest[1] == 0 and abs(brightest[0] - _row(30)) <= 4  # pulled down a little by the thicker air


def test_noon_is_blue_overhead_and_pale_at_the_horizon() -> None:
    sky = _sky(60)
    zenith, horizon = sky.radiance[0, 0], sky.radiance[-1, SKY_VIEW_SHAPE[1] // 2]
    assert zenith[2] > 1.5 * zenith[1] > 1.5 * zenith[0]
    assert horizon.max() / horizon.min() < 1.4
    assert horizon @ REC709_LUMINANCE > zenith @ REC709_LUMINANCE


def test_sunset_is_red_below_the_sun_and_the_earths_shadow_rises_opposite() -> None:
    low = _sky(1).radiance[_row(1.5), 0]
    assert low[0] > 2 * low[1] > 4 * low[2]
    dusk = _sky(-3).radiance @ REC709_LUMINANCE
    shadow, above = dusk[_row(2), -1], dusk[_row(14), -1]
    assert above > 1.5 * shadow  # dark segment under the brighter belt
    assert dusk[_row(5), 0] > 3 * dusk[_row(5), -1]  # the glow is on the sun's side


def test_blue_hour_needs_ozone() -> None:
    """Hulburt 1953: without ozone the twilight zenith would be grey to yellowish; with it, it is blue."""
    zenith = _sky(-5).radiance[0, 0]
    bare = clear_sky(float(np.deg2rad(-5)), Air(ozone_du=0.0)).radiance[0, 0]
    assert zenith[2] / zenith[0] > 3 > 1.6 * bare[2] / bare[0]


def test_twilight_falls_by_orders_of_magnitude() -> None:
    """Illuminance of clear twilight (Seidelmann 1992, table): 400 to 900 lx at 0, 3.4 at -6, 0.5 to 1 at -8 degrees."""
    lux = 683 * np.pi * spectrum.REFERENCE_CARD_XYZ[1] / np.pi
    level = np.array([_sky(e).sky_irradiance @ REC709_LUMINANCE * lux for e in np.arange(5, -8.5, -0.5)])
    assert (np.diff(np.log(level)) < 0).all()
    assert 350 < level[10] < 1100
    assert 1.7 < level[22] < 6.8
    assert level[0] / level[-1] > 1e3


def test_everything_is_finite_and_not_negative() -> None:
    for haze in (0.0, 1.0, 20.0):
        for elevation_deg in (-90, -30, -12, -0.26, 0, 0.1, 90):
            sky = _sky(elevation_deg, Air(haze=haze, ground_albedo=(1.0, 1.0, 1.0)))
            assert sky.radiance.dtype == np.float32 and sky.radiance.shape == (*SKY_VIEW_SHAPE, 3)
            values = [sky.radiance, sky.sky_irradiance, sky.ground_radiance, sky.sun_irradiance, sky.air_table]
            values += [sky.sun_irradiance_at(h) for h in (0.0, 5.0, 15.0)]
            values += [sky.sky_mean_radiance_at(h) for h in (0.0, 5.0, 30.0)]
            for value in values:
                assert np.isfinite(value).all() and (value >= 0).all()
    assert _sky(-90).radiance.max() < 1e-12 and not _sky(-90).sun_irradiance.any()


def test_sky_changes_smoothly_with_the_sun() -> None:
    """One minute of film moves the sun by hundredths of a degree: no step of luminance above its trend."""
    for start in (-4.0, -0.3, 0.0, 30.0):
        level = [np.log(_sky(start + 0.02 * i).radiance @ REC709_LUMINANCE) for i in range(5)]
        bend = np.abs(np.diff(level, n=2, axis=0)).max()
        assert bend < 4e-3


def test_clouds_see_the_sun_after_it_has_set_on_the_ground() -> None:
    sky = _sky(-2)
    assert not sky.sun_irradiance.any() and not sky.sun_irradiance_at(1.0).any()
    high = sky.sun_irradiance_at(8.0)
    assert high[0] > high[1] > high[2] >= 0  # lit from below, red
    assert _sky(30).sun_irradiance_at(0.0) == pytest.approx(_sky(30).sun_irradiance, rel=1e-6)
    noon = _sky(60)
    assert (noon.sun_irradiance_at(8.0) > noon.sun_irradiance).all()
    ambient = [float(noon.sky_mean_radiance_at(h) @ REC709_LUMINANCE) for h in (0, 2, 8)]
    assert ambient[0] > ambient[1] > ambient[2] > 0


def test_haze_whitens_and_altitude_darkens() -> None:
    clear, hazy, high = _sky(40), _sky(40, Air(haze=4.0)), _sky(40, Air(altitude_km=4.0))

    def blueness(sky) -> float:
        return float(sky.radiance[0, 0, 2] / sky.radiance[0, 0, 0])

    assert blueness(hazy) < blueness(clear) < blueness(high)
    assert hazy.sun_irradiance.sum() < clear.sun_irradiance.sum() < high.sun_irradiance.sum()
    snow = _sky(40, Air(ground_albedo=(0.9, 0.9, 0.9)))
    assert (snow.sky_irradiance > 1.1 * clear.sky_irradiance).all()


def test_air_table_dims_daylight_as_the_spectrum_does() -> None:
    """exp(-extinction x distance) in RGB against 8 wavelengths filtered and then turned to RGB, over 20 km of air."""
    air = Air(haze=1.0)
    table, matrix = _sky(50, air).air_table, spectrum.solar_to_rgb()
    for row, extinction in zip(table, air.extinction(), strict=False):
        truth = np.exp(-20 * extinction) @ matrix / matrix.sum(0)
        assert np.exp(-20 * row[:3]) == pytest.approx(truth, rel=0.03)  # no RGB extinction is exact at every depth
    assert table[:, 3] == pytest.approx([8.0, 1.3])


def test_gamut_keeps_luminance() -> None:
    colour = spectrum.into_gamut(np.array([[1.0, 0.1, -0.05], [-0.2, 0.1, 1.0], [0.2, 0.3, 0.4], [-1.0, -1.0, -1.0]]))
    assert (colour >= 0).all()
    assert colour[:3] @ REC709_LUMINANCE == pytest.approx([0.2805, 0.1012, 0.2860], abs=2e-3)
    assert not colour[3].any()


def test_same_request_same_sky() -> None:
    first = clear_sky(0.321, REFERENCE).radiance.copy()
    clear_sky.cache_clear()
    clear_sky(0.5, Air(haze=2.0))
    assert np.array_equal(first, clear_sky(0.321, REFERENCE).radiance)
    with pytest.raises(ValueError):
        clear_sky(0.321, REFERENCE).radiance[0] = 0


@pytest.mark.parametrize(
    "values", [{"haze": -1}, {"haze": float("nan")}, {"ozone_du": 5000}, {"ground_albedo": (0.1, 2.0, 0.1)},
               {"ground_albedo": (0.1, 0.1)}, {"altitude_km": 100}],
)  # fmt: skip
def test_impossible_air_is_refused(values: dict) -> None:
    with pytest.raises(RequestError):
        Air(**values)
