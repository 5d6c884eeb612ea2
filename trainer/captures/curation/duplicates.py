"""Panoramas that show the same scene at another size, exposure, rotation or mirroring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.captures.items import item_path


def fingerprint(radiance: NDArray[np.float32]) -> NDArray[np.int8]:
    """Log luminance of the whole panorama on 24 x 12 fields, median 0, clipped to a signed byte."""
    height, width = radiance.shape[:2]
    rows = np.linspace(0, height, 13).astype(int)
    columns = np.linspace(0, width, 25).astype(int)
    luminance = np.log(radiance.mean(axis=-1) + 1e-9)
    sums = np.add.reduceat(np.add.reduceat(luminance, rows[:-1], axis=0), columns[:-1], axis=1)
    mean = sums / (np.diff(rows)[:, None] * np.diff(columns)[None, :])
    return np.asarray(np.clip(np.round((mean - np.median(mean)) * 32), -127, 127), dtype=np.int8)


def mark_duplicates(data: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Reject the smaller of two panoramas that agree in all fields at any exposure, rotation or mirroring."""
    seen: list[tuple[dict[str, Any], NDArray[np.float32]]] = []
    order = sorted(entries.values(), key=lambda e: (-e["width"], e["file"]))
    for entry in order:
        item = item_path(data, entry["sha256"])
        if entry["verdict"] != "keep" or not item.is_file():
            continue
        with np.load(item) as arrays:
            print_map = arrays["fingerprint"].astype(np.float32) / 32
        spread = float(print_map.std())
        for other, other_map in seen:
            candidates = [np.roll(m, k, axis=1) for m in (print_map, print_map[:, ::-1]) for k in range(24)]
            distance = min(float(np.abs(c - other_map).mean()) for c in candidates)
            if distance < min(0.05, 0.05 * spread + 0.01):
                entry.update(verdict="reject", reason="duplicate")
                entry["state"]["duplicate_of"] = other["file"]
                break
        else:
            seen.append((entry, print_map))
