"""The reference: a volumetric path tracer through the same volume that the dome reads.

Scattering is conservative (albedo 1), by the dual-lobe phase function; sunlight that was scattered once only is
weighted by the droplets' own lobes, without what they diffract (:mod:`trainer.networks.cloud_light`). The first
collision of a view ray is forced and weighted by the ray's opacity; further flights use delta tracking
(Woodcock et al. 1965) with local majorants. At each collision the sun is connected by marching a
few gaps between shells and reading the tabulated sun depth for the rest (the table alone blurs
lit edges and dims dense heaps by up to a fifth), or, for checks, by ratio tracking (Novak et al.
2014). Paths that leave upward count for the sky, paths that leave downward for the ground. One
run gives the scattered radiance per unit of each light, the dome's ``sun_scatter``,
``sky_scatter`` and ``ground_scatter``.

Approximation: from collision ``sharp_orders`` on, scattering is isotropic in a medium thinned by
one minus the phase function's mean cosine (similarity relation, van de Hulst 1980), which leaves
the diffuse field unchanged and saves most of the work in thick clouds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.networks.cloud_light import ASYMMETRY, droplet_lobes, dual_lobe
from trainer.networks.shells import EARTH_RADIUS_KM, shell_distance_km

from .cloud_volume import CloudVolume, VolumeSampler, height_km
from .scattering_angles import deflect, isotropic_cosines, scattering_cosines

SUN_MARCH = (0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
"""Lengths of the steps that are marched toward the sun, in gaps between shells."""
LEAST_MARCH_GAP_KM = 0.1
"""Gap that is assumed at least, since texels blur the table as well."""


@dataclass(frozen=True)
class TraceOptions:
    """How the reference is traced."""

    paths_per_ray: int = 2
    """Paths that start on each view ray."""
    steps_per_gap: int = 6
    """Samples between two shells along a view ray."""
    sharp_orders: int = 6
    """Collisions with the true phase function; later ones use the similarity relation."""
    two_lobes: bool = False
    """Take the dual-lobe phase function for single scattering too, for comparison with renderers that know no other."""
    exact_sun: bool = False
    """Trace the whole way to the sun by ratio tracking."""
    max_orders: int | None = None
    """Collisions after which a path is dropped (for checks of low orders); none by default."""
    max_flights: int = 3000
    """Flights after which the few paths still inside leave half to the sky, half to the ground."""
    chunk_rays: int = 32768
    """Rays traced at once."""


@dataclass(frozen=True)
class Reference:
    """Result of a trace, each (r,) for r view rays."""

    transmittance: Tensor
    """exp(-optical depth) of the ray."""
    sun_scatter: Tensor
    """Radiance per unit of normal sun irradiance, 1/sr."""
    sky_scatter: Tensor
    """Radiance per unit of uniform radiance from above."""
    ground_scatter: Tensor
    """Radiance per unit of uniform radiance from below."""


def trace_reference(volume: CloudVolume, direction: Tensor, options: TraceOptions, seed: int) -> Reference:
    """Trace view rays (r, 3) of a camera on the ground; directions at or above the horizon."""
    sampler = VolumeSampler(volume)
    generator = Generator().manual_seed(seed)
    parts = [
        _trace_chunk(sampler, chunk.transpose(0, 1).contiguous(), options, generator)
        for chunk in torch.split(direction, options.chunk_rays)
    ]
    rows = torch.cat(parts, dim=1)  # 4 r
    return Reference(rows[0], rows[1], rows[2], rows[3])


def _trace_chunk(sampler: VolumeSampler, view: Tensor, options: TraceOptions, generator: Generator) -> Tensor:
    """Transmittance and the three scatters of view rays (3, r), shape (4, r)."""
    near, length, depth = _ray_segments(sampler, view, options.steps_per_gap)  # s r
    total = torch.cumsum(depth, dim=0)
    transmittance = torch.exp(-total[-1])
    rays = torch.nonzero(transmittance < 1 - 1e-4)[:, 0]
    result = torch.zeros(4, view.shape[1])
    result[0] = transmittance
    if rays.numel() == 0:
        return result
    count = options.paths_per_ray
    ray = rays.repeat_interleave(count)
    opacity = 1 - transmittance[ray]
    stratum = torch.arange(count, dtype=torch.float32).repeat(rays.numel())
    u = (stratum + torch.rand(ray.numel(), generator=generator)) / count
    depth_there = -torch.log1p(-u * opacity)
    running = total[:, ray]
    segment = (running < depth_there).sum(0).clamp(max=running.shape[0] - 1)[None]  # 1 n
    own = depth[:, ray].gather(0, segment)[0]
    rest = depth_there - (running.gather(0, segment)[0] - own)
    fraction = (rest / own.clamp(min=1e-9)).clamp(0.0, 1.0)
    distance = near[:, ray].gather(0, segment)[0] + fraction * length[:, ray].gather(0, segment)[0]
    direction = view[:, ray]
    light = _follow(sampler, distance * direction, direction, options, generator)  # 3 n
    result[1:].index_add_(1, ray, light * (opacity / count))
    return result


def _ray_segments(sampler: VolumeSampler, view: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Start, length in km and optical depth of every segment of view rays (3, r), each (s, r)."""
    volume = sampler.volume
    count = (volume.shell_km.shape[0] - 1) * steps
    edges = torch.linspace(volume.base_km, volume.top_km, count + 1)
    distance = shell_distance_km(view[2].clamp(0.0, 1.0), edges[:, None])  # s+1 r
    middle = shell_distance_km(view[2].clamp(0.0, 1.0), (0.5 * (edges[1:] + edges[:-1]))[:, None])
    length = distance[1:] - distance[:-1]
    position = (middle[None] * view[:, None]).reshape(3, -1)
    height = (0.5 * (edges[1:] + edges[:-1]))[:, None].expand_as(middle).reshape(-1)
    extinction = sampler.extinction(position, height).reshape(middle.shape)
    return distance[:-1], length, extinction * length


def _follow(
    sampler: VolumeSampler, position: Tensor, direction: Tensor, options: TraceOptions, generator: Generator
) -> Tensor:
    """Light (3, n) from sun, sky and ground per path; paths start at their first collision."""
    base, top = sampler.volume.base_km, sampler.volume.top_km
    light = torch.zeros(3, position.shape[1])
    path = torch.arange(position.shape[1])
    order = torch.zeros(position.shape[1])
    collided = torch.ones(position.shape[1], dtype=torch.bool)
    for _ in range(options.max_flights):
        hits = torch.nonzero(collided)[:, 0]
        if hits.numel():
            here, incoming, orders = position[:, hits], direction[:, hits], order[hits]
            blurred = orders >= options.sharp_orders
            light[0].index_add_(0, path[hits], _sun_light(sampler, here, incoming, orders, options, generator))
            cosine = scattering_cosines(hits.numel(), generator)
            cosine = torch.where(blurred, isotropic_cosines(hits.numel(), generator), cosine)
            direction[:, hits] = deflect(incoming, cosine, generator)
            order[hits] = orders + 1

        bound, reach = sampler.majorant(position)
        thinning = torch.where(order >= options.sharp_orders, 1 - ASYMMETRY, 1.0)
        bound = bound * thinning
        flight = -torch.log1p(-torch.rand(path.numel(), generator=generator)) / bound.clamp(min=1e-9)
        stopped = flight < reach
        position = position + direction * torch.minimum(flight, reach)
        height = height_km(position)
        rising = (direction * position).sum(0) + EARTH_RADIUS_KM * direction[2] > 0
        above, below = (height > top) & rising, (height < base) & ~rising
        extinction = sampler.extinction(position, height) * thinning
        collided = stopped & (torch.rand(path.numel(), generator=generator) * bound < extinction)

        light[1].index_add_(0, path, above.to(light.dtype))
        light[2].index_add_(0, path, below.to(light.dtype))
        alive = ~(above | below)
        if options.max_orders is not None:
            alive &= order < options.max_orders
        keep = torch.nonzero(alive)[:, 0]
        if keep.numel() < path.numel():
            position, direction = position[:, keep], direction[:, keep]
            path, order, collided = path[keep], order[keep], collided[keep]
        if path.numel() == 0:
            return light
    half = torch.full((path.numel(),), 0.5)
    light[1].index_add_(0, path, half)
    light[2].index_add_(0, path, half)
    return light


def _sun_light(
    sampler: VolumeSampler,
    position: Tensor,
    incoming: Tensor,
    order: Tensor,
    options: TraceOptions,
    generator: Generator,
) -> Tensor:
    """Sunlight (n,) scattered toward where the path came from, per unit of normal irradiance, 1/sr."""
    sun = sampler.volume.sun_direction
    blurred = order >= options.sharp_orders
    # what arrives at the last sharp collision already comes through the thinned medium
    thinning = torch.where(order + 1 >= options.sharp_orders, 1 - ASYMMETRY, 1.0)
    if options.exact_sun:
        transmittance = ratio_tracked_transmittance(sampler, position, sun, thinning, generator)
    else:
        transmittance = torch.exp(-marched_sun_depth(sampler, position) * thinning)
    cosine = (incoming * sun[:, None]).sum(0)
    phase = torch.where(blurred, torch.tensor(1 / (4 * math.pi)), dual_lobe(cosine))
    if not options.two_lobes:
        phase = torch.where(order == 0, droplet_lobes(cosine), phase)
    return phase * transmittance


def marched_sun_depth(sampler: VolumeSampler, position: Tensor) -> Tensor:
    """Optical depth (n,) toward the sun: marched over some gaps, then from the table."""
    sun = sampler.volume.sun_direction[:, None]
    depth, begin = torch.zeros(position.shape[1]), 0.0
    volume = sampler.volume
    gap_km = max((volume.top_km - volume.base_km) / (volume.shell_km.shape[0] - 1), LEAST_MARCH_GAP_KM)
    for length in (gap_km * step for step in SUN_MARCH):
        depth = depth + length * sampler.extinction(position + (begin + 0.5 * length) * sun)
        begin += length
    return depth + sampler.sun_depth(position + begin * sun)


def ratio_tracked_transmittance(
    sampler: VolumeSampler, position: Tensor, toward: Tensor, thinning: Tensor, generator: Generator
) -> Tensor:
    """Unbiased transmittance (n,) from positions (3, n) out of the layer along ``toward`` (3,)."""
    base, top = sampler.volume.base_km, sampler.volume.top_km
    result = torch.ones(position.shape[1])
    path = torch.arange(position.shape[1])
    while path.numel():
        bound, reach = sampler.majorant(position)
        bound = bound * thinning
        flight = -torch.log1p(-torch.rand(path.numel(), generator=generator)) / bound.clamp(min=1e-9)
        stopped = flight < reach
        position = position + toward[:, None] * torch.minimum(flight, reach)
        height = height_km(position)
        extinction = sampler.extinction(position, height) * thinning
        passed = 1 - extinction / bound.clamp(min=1e-9)
        result[path] *= torch.where(stopped, passed, torch.ones_like(passed)).clamp(min=0.0)
        rising = (toward[:, None] * position).sum(0) + EARTH_RADIUS_KM * toward[2] > 0
        inside = ~(((height > top) & rising) | ((height < base) & ~rising)) & (result[path] > 1e-4)
        keep = torch.nonzero(inside)[:, 0]
        position, path, thinning = position[:, keep], path[keep], thinning[keep]
    return result
