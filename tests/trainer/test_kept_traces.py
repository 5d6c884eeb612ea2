"""The comparison's kept traces are those of the numbers that it has now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.comparison import cloud_volume_table as table

TRACES = len(table.WAYS) * len(table.SUNS_DEG)


def test_a_trace_is_made_again_when_what_it_depends_on_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    count, volume = [0], table.heaps(60.0)

    def trace(*_: object, **__: object) -> Tensor:
        count[0] += 1
        return torch.full((len(table.VIEWS), 4, table.PIXELS, table.PIXELS), float(count[0]))

    def traces_now() -> int:
        before = count[0]
        table.traced(tmp_path)
        return count[0] - before

    monkeypatch.setattr(table, "trace_views", trace)
    monkeypatch.setattr(table, "heaps", lambda _: volume)
    monkeypatch.setattr(table, "BATCHES", 1)
    first = table.traced(tmp_path)
    assert count[0] == TRACES and {float(first["exact", view, 60.0].mean()) for view in table.VIEWS} == {1.0}
    assert traces_now() == 0
    monkeypatch.setattr(table, "BATCHES", 2)
    assert traces_now() == 2 * TRACES and traces_now() == 0
    monkeypatch.setattr(table, "PER_SIDE", 3)
    assert traces_now() == 2 * TRACES
    monkeypatch.setitem(table.WAYS, "exact", {"exact_sun": True, "sharp_orders": 7})
    assert traces_now() == 2 * len(table.SUNS_DEG)
    denser = replace(volume, atlas=1.01 * volume.atlas)
    monkeypatch.setattr(table, "heaps", lambda _: denser)
    assert traces_now() == 2 * TRACES and traces_now() == 0


def test_a_trace_of_unknown_numbers_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traced, volume = torch.ones(len(table.VIEWS), 4, table.PIXELS, table.PIXELS), table.heaps(60.0)
    monkeypatch.setattr(table, "heaps", lambda _: volume)
    monkeypatch.setattr(table, "trace_views", lambda *_, **__: traced)
    np.savez(tmp_path / "cloud_volume_traced.npz", **{"exact/60": 0 * traced.numpy()})
    assert float(table.traced(tmp_path)["exact", "zenith", 60.0].mean()) == 1.0
