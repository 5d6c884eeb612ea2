"""The weather network: an LSTM that walks a small state about the artist's target, and forgets where it began.

One step predicts a Gaussian for the next state from the state before it and samples it with the
innovation it is given. Everything is in units of the training deviations, relative to the target.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import WEATHER_STATE

CHANNELS = len(WEATHER_STATE)
DECAY_LIMIT = 0.92
"""Greatest share of a state that one step keeps by itself; 0.92^96 is 3e-4."""
MEAN_LIMIT = 4.0
"""Predicted means saturate here, in deviations."""
STD_RANGE = (0.02, 1.2)
"""Spread of one step, in deviations."""


class WeatherStep(nn.Module):
    """One step of weather with the signature WEATHER.

    Parameters
    ----------
    hidden : int
        Width H of the LSTM.
    """

    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Linear(CHANNELS + hidden, 4 * hidden)
        self.mean_head = nn.Linear(hidden, CHANNELS)
        self.spread_head = nn.Linear(hidden, CHANNELS)
        self.decay = nn.Parameter(torch.full((CHANNELS,), 2.0))
        self.mixing = nn.Parameter(torch.eye(CHANNELS))
        with torch.no_grad():
            self.gates.weight.mul_(0.6)  # start contractive
            self.gates.bias.zero_()
            self.mean_head.weight.mul_(0.1)
            self.mean_head.bias.zero_()
            self.spread_head.weight.mul_(0.1)
            self.spread_head.bias.fill_(-0.9)

    def start(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Zero state, hidden and cell of ``batch`` runs."""
        return torch.zeros(batch, CHANNELS), torch.zeros(batch, self.hidden), torch.zeros(batch, self.hidden)

    def predict(self, state: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean and standard deviation (B, 4) of the next state, next hidden and next cell (B, H)."""
        gates = self.gates(torch.cat([state / 2, hidden], 1))
        enter, keep, new, show = gates.split(self.hidden, 1)
        cell = 0.9 * torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(show) * torch.tanh(cell)
        mean = DECAY_LIMIT * torch.sigmoid(self.decay) * state + self.mean_head(hidden)
        mean = MEAN_LIMIT * torch.tanh(mean / MEAN_LIMIT)
        low, high = (math.log(s) for s in STD_RANGE)
        std = torch.exp(low + (high - low) * torch.sigmoid(self.spread_head(hidden) + 1.5))
        return mean, std, hidden, cell

    def forward(self, state: Tensor, hidden: Tensor, cell: Tensor, innovation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Next state (B, 4), hidden (B, H) and cell (B, H) for standard normal innovations (B, 4)."""
        mean, std, hidden, cell = self.predict(state, hidden, cell)
        mixing = self.mixing / torch.sqrt((self.mixing**2).sum(1, keepdim=True))  # rows of unit length keep variances
        return mean + std * (innovation @ mixing.T), hidden, cell


def free_run(network: WeatherStep, start: tuple[Tensor, Tensor, Tensor], innovations: Tensor) -> Tensor:
    """States (T, B, 4) that follow ``start`` under innovations (T, B, 4)."""
    state, hidden, cell = start
    states = []
    for innovation in innovations:
        state, hidden, cell = network(state, hidden, cell, innovation)
        states.append(state)
    return torch.stack(states)  # (T, B, 4)
