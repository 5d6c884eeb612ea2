"""The system of 2021, layer for layer: two stacks of dense layers that play against each other over grey panoramas.

It is the baseline that every later generator is measured against, so its layers are not improved. Weights start
and batch normalisation counts as in Keras, in which it was written. Panoramas are ``encoded``: grey display values
from -1 (black) to 1 (white), row 0 at the zenith, columns as in any panorama of this project.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT = 100
"""Random numbers that one panorama is made from."""
GENERATOR_WIDTHS = (256, 512)
"""Hidden dense layers of the generator."""
DISCRIMINATOR_WIDTHS = (8192, 4096, 4096, 4096)
"""Hidden dense layers of the discriminator."""
ROWS = 64
"""Rows of a panorama, twice as many columns; 2021 wrote the shape as width x height, 128 x 64 x 1."""
SLOPE = 0.2
"""Slope of LeakyReLU below zero."""


class KerasBatchNorm(nn.Module):
    """Batch normalisation that keeps its running statistics as Keras does.

    ``running = momentum * running + (1 - momentum) * batch`` with the variance of the batch as it is; torch's layer
    keeps the unbiased estimate, which is twice that for batches of two.

    Parameters
    ----------
    width : int
        Number of features.
    momentum : float
        Share of the running statistics that one batch leaves; torch would call it ``1 - momentum``.
    epsilon : float
        Added to the variance.
    """

    def __init__(self, width: int, momentum: float = 0.8, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.gain, self.offset = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, width), normalised by their batch in training, else by the running statistics."""
        if not self.training:
            return functional.batch_norm(features, self.mean, self.variance, self.gain, self.offset, eps=self.epsilon)
        with torch.no_grad():
            variance, mean = torch.var_mean(features, 0, correction=0)
            self.mean.lerp_(mean, 1 - self.momentum)
            self.variance.lerp_(variance, 1 - self.momentum)
        return functional.batch_norm(features, None, None, self.gain, self.offset, training=True, eps=self.epsilon)


class DenseGenerator(nn.Module):
    """Dense layers, each followed by LeakyReLU and batch normalisation; a last one ends in tanh.

    Parameters
    ----------
    latent : int
        Random numbers of one panorama.
    widths : sequence of int
        Hidden layers.
    rows : int
        Rows of a panorama.
    """

    def __init__(self, latent: int = LATENT, widths: Sequence[int] = GENERATOR_WIDTHS, rows: int = ROWS) -> None:
        super().__init__()
        self.latent, self.rows = latent, rows
        layers: list[nn.Module] = []
        for before, width in zip((latent, *widths), widths, strict=False):
            layers += [_dense(before, width), nn.LeakyReLU(SLOPE), KerasBatchNorm(width)]
        self.layers = nn.Sequential(*layers, _dense(widths[-1], 2 * rows * rows), nn.Tanh())

    def forward(self, noise: Tensor) -> Tensor:
        """Encoded panoramas (B, rows, 2 * rows) of noise (B, latent) from a normal distribution."""
        pixels: Tensor = self.layers(noise)
        return pixels.view(-1, self.rows, 2 * self.rows)  # (B, rows, columns)


class DenseDiscriminator(nn.Module):
    """Dense layers with LeakyReLU between them and one number at the end: how likely a panorama is a capture.

    Parameters
    ----------
    widths : sequence of int
        Hidden layers.
    rows : int
        Rows of a panorama.
    """

    def __init__(self, widths: Sequence[int] = DISCRIMINATOR_WIDTHS, rows: int = ROWS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((2 * rows * rows, *widths), widths, strict=False):
            layers += [_dense(before, width), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, _dense(widths[-1], 1))

    def logits(self, encoded: Tensor) -> Tensor:
        """What the sigmoid is taken of, (B,), of panoramas (B, rows, 2 * rows); losses are exact with it."""
        verdict: Tensor = self.layers(encoded.flatten(1))
        return verdict[:, 0]

    def forward(self, encoded: Tensor) -> Tensor:
        """Probability (B,) that panoramas (B, rows, 2 * rows) are captures."""
        return torch.sigmoid(self.logits(encoded))


def layer_parameters(network: nn.Module) -> list[int]:
    """Numbers kept by each layer that keeps any, in order; running statistics count, as in Keras' summary."""
    counts = (
        sum(tensor.numel() for tensor in (*layer.parameters(False), *layer.buffers(False)))
        for layer in network.modules()
    )
    return [count for count in counts if count]


def _dense(before: int, width: int) -> nn.Linear:
    """A dense layer with the weights that Keras starts from (Glorot and Bengio 2010)."""
    layer = nn.Linear(before, width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
