"""The bundle's weather network as the step that :func:`...core.weather.weather_state` takes."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import BundleError
from ...core.signatures import WEATHER
from ...core.weather import StateArray
from ..graphs import Graph


class WeatherGraph:
    """``weather.onnx``, run one step at a time; small, hence on one thread.

    Parameters
    ----------
    path : Path
        ONNX file of signature WEATHER.
    hidden : int, optional
        Width H that model.json states.

    Raises
    ------
    BundleError
        If the file is missing, damaged, of another signature or width, or has an open hidden size.
    """

    def __init__(self, path: Path, hidden: int | None = None) -> None:
        self._graph = Graph(path, WEATHER, sizes={} if hidden is None else {"H": hidden})
        sizes = {self._graph.input_shape(name)[1] for name in ("hidden", "cell")}
        width = sizes.pop()
        if sizes or not isinstance(width, int):
            raise BundleError(f"{path.name} has no fixed hidden width.", "Export the bundle again.")
        self.hidden = width
        """Width H of the LSTM."""

    def __call__(
        self, state: StateArray, hidden: StateArray, cell: StateArray, innovation: StateArray
    ) -> tuple[StateArray, StateArray, StateArray]:
        """Next state (1, 4), hidden (1, H) and cell (1, H).

        Raises
        ------
        BundleError
            If ``hidden`` is not as wide as the file's network, as when model.json belongs to another one.
        """
        if hidden.shape[1] != self.hidden:
            raise BundleError(
                f"model.json states a weather network of width {hidden.shape[1]}; weather.onnx has {self.hidden}.",
                "Reinstall SkyGen or export the bundle again.",
            )
        next_state, next_hidden, next_cell = self._graph(state=state, hidden=hidden, cell=cell, innovation=innovation)
        return next_state, next_hidden, next_cell
