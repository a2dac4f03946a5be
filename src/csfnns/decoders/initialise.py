"""Random weights from a 256-bit seed (Sec. 3.2, Eq. 7; compared in Sec. 4.7, Table 6)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from csfnns.stream import Seed

if TYPE_CHECKING:
    from torch import nn

INSTANCE_NORM_EPSILON = 1e-5


def initialise(network: "nn.Module", seed: Seed, distribution: str, *, slope: float) -> None:
    """Fill the convolutions of `network` in order by `draw_weights`; biases 0."""
    import torch
    from torch import nn

    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for i, layer in enumerate(convolutions):
        out, fan_in = layer.out_channels, layer.weight[0].numel()
        flat = draw_weights(seed, i, distribution, out, fan_in, out * layer.weight[0, 0].numel(), slope)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(flat).reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias.zero_()


def draw_weights(
    seed: Seed, i: int, distribution: str, out: int, fan_in: int, fan_out: int, slope: float
) -> np.ndarray:
    """Weights (out, fan_in), float64, of layer i = 0, 1, …, from the seed `csfnns/2/weights/{i}`.

    `distribution` is xavier-normal, xavier-uniform (Glorot & Bengio 2010), orthogonal (Saxe et al. 2014), kaiming (He et
    al. 2015, normal, fan-in, gain of a LeakyReLU of `slope`), uniform U(0, 1) or normal N(0, 1).
    """
    stream = seed.derive(f"csfnns/2/weights/{i}").stream()
    if distribution in ("uniform", "xavier-uniform"):
        uniforms = stream.uniforms(out * fan_in).reshape(out, fan_in)
        return uniforms if distribution == "uniform" else (2 * uniforms - 1) * math.sqrt(6 / (fan_in + fan_out))
    normals = stream.normals(out * fan_in).reshape(out, fan_in)
    if distribution == "orthogonal":
        # Orthonormal rows, or columns where there are fewer; the signs make the decomposition unique.
        q, r = np.linalg.qr(normals if out >= fan_in else normals.T)
        q *= np.sign(np.diag(r))
        return q if out >= fan_in else q.T
    deviations = {
        "normal": 1.0,
        "xavier-normal": math.sqrt(2 / (fan_in + fan_out)),
        "kaiming": math.sqrt(2 / ((1 + slope**2) * fan_in)),
    }
    return normals * deviations[distribution]
