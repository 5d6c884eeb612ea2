"""Dome: view rays through a layer's shells.

Along a ray, extinction is integrated between neighbouring shells; each of the m samples of a gap
reads the two shells at its own place on the plane and interpolates in height, so clouds have
sides. Most samples lie in clear air or behind a cloud, so work is done on lists: the outline is
read only in occupied cells, and light only where a ray scatters it. From one sample to the next
a cloud's outline is linear, so the dome knows where within a step a ray enters a cloud.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .atlas import AtlasPlaces, places_on_atlas, sample, sample_shells
from .cloud_light import sky_share, sun_source
from .dome_detail import DetailTile
from .outline import clear_stretch, mean_sharpened, over_step, sharpened
from .shells import shell_distance_km
from .sun_march import depths_at, sun_slope

NEAR_MISS = 1e-3
"""Weight of a cloud's soft rim, where there is nothing to see yet, in the place that a ray meets."""
NEAR_CELL = 1e-9
"""The same of all that lies in an occupied cell, so that a ray through such cells alone has a place too."""
LEAST_FILL = 0.15
"""Fill from which a cell counts as occupied; extinction begins at a third."""
NEIGHBOURS = 0.15
"""How much of a uniform cloud from a place down to the layer's base counts as below it: what hangs lower beside it
sends light back too."""
LEAST_WEIGHT = 5e-5
"""Share of a ray's light below which a sample is left out."""


def before(samples: Tensor) -> Tensor:
    """The sample before each one along the ray; the first stands for itself."""
    return torch.cat([samples[:1], samples[:-1]])


def indices_of(mask: Tensor) -> Tensor:
    """Indices (q,) where a mask (n,) is true, and always index 0, for no list may be empty."""
    first = torch.zeros_like(mask[:1]) == torch.zeros_like(mask[:1])
    return torch.cat([first, mask[1:]]).nonzero()[:, 0]


def stretches(distance_km: Tensor, sin_elevation: Tensor, shell_km: Tensor) -> Tensor:
    """How far samples (s, p) lie from the one before them, the first from the base."""
    base = shell_distance_km(sin_elevation[None], shell_km[:1, None])  # 1 p
    return distance_km - torch.cat([base, distance_km[:-1]])


def first_met(
    distance_km: Tensor, height_km: Tensor, stretch_km: Tensor, held: Tensor, edge: Tensor, extinction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Distance and height at which rays meet what they see, or pass it closest where they see none, and its depth.

    All (p,); the last is the deviation of the distance, great where a ray grazes a cloud or sees several.

    Parameters
    ----------
    distance_km, height_km, stretch_km : Tensor, shapes (s, p), (s, 1) and (s, p)
        Of samples, and how far each lies from the one before it.
    held : Tensor, shape (s, p)
        1 in occupied cells, else 0.
    edge, extinction : Tensor, shape (s, p)
        Outline, and greatest extinction of the column in 1/km.
    """
    depth = sharpened(edge) * extinction * stretch_km
    clear = torch.exp(depth - torch.cumsum(depth, dim=0))
    weight = clear * (depth / (1 + depth) + NEAR_MISS * edge.square().square() + NEAR_CELL * held)
    total = weight.sum(0).clamp(min=1e-20)
    mean_km = (weight * distance_km).sum(0) / total
    variance = (weight * (distance_km - mean_km).square()).sum(0) / total
    return mean_km, (weight * height_km).sum(0) / total, torch.sqrt(variance)


class Dome(nn.Module):
    """Rays through one layer; signature ``DOME`` of :mod:`skygen_addon.core.signatures`.

    ``repeat`` is that of :func:`trainer.networks.atlas.atlas_grid`. Letters: g gaps, m samples of
    a gap, s = g m + 1 samples of a ray (one at the top), p rays, q entries of a list.
    """

    def __init__(self, repeat: bool = True) -> None:
        super().__init__()
        self.repeat = repeat

    def forward(
        self,
        direction: Tensor,
        footprint_rad: Tensor,
        fill: Tensor,
        greatest: Tensor,
        sun_table: Tensor,
        zenith_table: Tensor,
        occupancy: Tensor,
        detail: Tensor,
        detail_strength: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        detail_offset_km: Tensor,
        substep: Tensor,
        sun_direction: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        h, w = direction.shape[0], direction.shape[1]
        rays, window = h * w, fill.shape[3]
        levels = occupancy.shape[2] // occupancy.shape[3]
        view = direction.reshape(rays, 3)
        sin_elevation = view[:, 2].clamp(0.0, 1.0)  # p
        on_plane = view[:, :2] @ plane_matrix.transpose(0, 1)  # p 2, of a km along the ray

        def places_at(distance_km: Tensor, plane: Tensor) -> AtlasPlaces:
            east_km = distance_km * plane[:, 0] + plane_offset_km[0]
            north_km = distance_km * plane[:, 1] + plane_offset_km[1]
            return places_on_atlas(east_km, north_km, texel_km, window, levels, self.repeat, plane_offset_km)

        tile = DetailTile(detail, detail_strength, detail_offset_km, footprint_rad, texel_km)
        height, distance, edge, extinction, offset = self.samples(
            (fill, greatest), occupancy, shell_km, substep, sin_elevation, on_plane, places_at, tile
        )
        # Optical depth of each step, and the share of the ray's light that it scatters.
        stretch = stretches(distance, sin_elevation, shell_km)
        extinction = over_step(before(extinction), extinction)
        share = mean_sharpened(before(edge), edge)
        depth = extinction * share * stretch  # s p
        total = torch.cumsum(depth, dim=0)
        weight = torch.exp(depth - total) * (1 - torch.exp(-depth))  # s p
        opacity = weight.sum(0)  # p

        # Light, where it is scattered: near the front of a dense stretch, in the middle of a thin one.
        place = indices_of(weight.reshape(-1) > LEAST_WEIGHT)  # q
        step, ray = place // rays, place % rays
        last, first = place, torch.where(step > 0, place - rays, place)
        flat_edge = edge.reshape(-1)
        inside = clear_stretch(flat_edge[first], flat_edge[last])
        inside = inside + share.reshape(-1)[place] / (2 + depth.reshape(-1)[place])
        inside = inside.clamp(max=1.0)  # 0 front of the step to 1 back

        def at(values: Tensor) -> Tensor:
            flat = values.reshape(-1)
            return flat[first] + (flat[last] - flat[first]) * inside

        previous = (step - 1).clamp(min=0)
        here_height = height[previous, 0] + (height[step, 0] - height[previous, 0]) * inside
        slope, cos_angle = sin_elevation[ray], (view * sun_direction).sum(-1)[ray]
        here_km = at(distance)
        sun_there = sun_slope(sun_direction, cos_angle, here_km)
        sun_depth, above, beneath = depths_at(
            (fill, greatest),
            (sun_table, zenith_table),
            places_at(here_km, on_plane[ray]),
            here_height,
            at(edge),
            extinction.reshape(-1)[place],
            sun_there,
            shell_km,
            plane_matrix @ sun_direction[:2],
            sun_direction,
            (offset[0][ray], offset[1][ray]),
        )
        # Within a gap no table tells where the base runs, but the ray has just crossed it.
        own = depth.reshape(-1)[place]
        crossed = (total.reshape(-1)[place] - own + own / (2 + own)) * slope
        neighbours = extinction.reshape(-1)[place] * (here_height - shell_km[0])
        below = torch.maximum(crossed, beneath) + NEIGHBOURS * neighbours
        lit = weight.reshape(-1)[place]
        lit = lit * (lit > LEAST_WEIGHT).to(lit.dtype)  # index 0 is listed whatever its weight

        def gathered(values: Tensor) -> Tensor:
            return torch.zeros_like(sin_elevation).scatter_add(0, ray, lit * values)  # p

        sky = gathered(sky_share(slope, above, below))
        outputs = (
            total[-1],
            gathered(sun_source(cos_angle, slope, sun_there, sun_depth, above, below)),
            sky,
            torch.relu(opacity - sky),
            (weight * distance).sum(0) / (opacity + 1e-6),
            gathered(sun_depth) / (opacity + 1e-6),
        )
        return tuple(output.reshape(h, w) for output in outputs)  # type: ignore[return-value]

    def samples(
        self,
        outline: tuple[Tensor, Tensor],
        occupancy: Tensor,
        shell_km: Tensor,
        substep: Tensor,
        sin_elevation: Tensor,
        on_plane: Tensor,
        places_at: Callable[[Tensor, Tensor], AtlasPlaces],
        tile: DetailTile,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Samples along all rays: height (s, 1); distance, outline and greatest extinction (s, p); displacement.

        Only occupied cells are looked at; elsewhere outline and extinction are 0. One more sample
        stands at the top, as dense as the one before it. A ray's displacement (east and north, p) is
        that of the place where it meets its cloud, and the same for all its samples: read anew at each
        of them, detail finer than a step would stand as stripes.
        """
        gaps, steps, rays = occupancy.shape[0], substep.shape[0], sin_elevation.shape[0]
        gap_km = shell_km[1:] - shell_km[:-1]  # g
        height = (shell_km[:-1, None] + gap_km[:, None] * substep).reshape(gaps * steps, 1)  # s 1
        distance = shell_distance_km(sin_elevation[None], height)  # s p
        places = places_at(distance, on_plane)  # s p
        cells = sample(occupancy, places.grid.reshape(gaps, steps, rays, 2), "nearest")  # g 1 m p
        place = indices_of(cells.reshape(gaps * steps * rays) > LEAST_FILL)  # q
        step, ray = place // rays, place % rays
        gap, f = (step // steps).to(torch.float32), substep[step % steps]
        chosen = places.chosen(place)
        nothing = torch.zeros_like(distance).reshape(-1)
        occupied = (cells.reshape(-1)[place] > LEAST_FILL).to(torch.float32)  # all but perhaps index 0

        def along_rays(values: Tensor) -> Tensor:
            return nothing.scatter(0, place, values * occupied).reshape(distance.shape)  # s p

        def looked_up(grid: Tensor) -> tuple[Tensor, Tensor]:
            lower, upper = (sample_shells(outline[0], grid, shell, gaps + 1) for shell in (gap, gap + 1))
            return along_rays(lower + (upper - lower) * f), along_rays(sample(outline[1], grid[None, None])[0, 0, 0])

        stretch = stretches(distance, sin_elevation, shell_km)
        met = first_met(distance, height, stretch, along_rays(occupied), *looked_up(chosen.grid))
        east, north = tile.displacement(*met, on_plane, sin_elevation)  # p
        edge, extinction = looked_up(chosen.moved(east[ray], north[ray]))
        top = shell_distance_km(sin_elevation[None], shell_km[-1:, None])  # 1 p
        return (
            torch.cat([height, shell_km[-1:, None]]),
            torch.cat([distance, top]),
            torch.cat([edge, edge[-1:]]),
            torch.cat([extinction, extinction[-1:]]),
            (east, north),
        )
