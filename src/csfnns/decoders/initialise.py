"""Random weights from a 256-bit seed (Sec. 3.2, Eq. 7; compared in Sec. 4.7, Table 6)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from csfnns.stream import Seed, Stream

if TYPE_CHECKING:
    from torch import nn


def initialise(network: "nn.Module", seed: Seed, law: str, *, slope: float) -> None:
    """Fill the convolutions of `network` in order by `draw_weights`; biases 0."""
    import torch
    from torch import nn

    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for i, layer in enumerate(convolutions):
        out, fan_in = layer.out_channels, layer.weight[0].numel()
        flat = draw_weights(seed, i, law, out, fan_in, out * layer.weight[0, 0].numel(), slope)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(flat).reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias.zero_()


def draw_weights(
    seed: Seed, i: int, law: str, out: int, fan_in: int, fan_out: int, slope: float
) -> np.ndarray:
    """Weights (out, fan_in), float64, of layer i = 0, 1, …, from the seed `csfnns/1/weights/{i}`.

    `law` is xavier-normal, xavier-uniform (Glorot & Bengio 2010), orthogonal (Saxe et al. 2014), kaiming (He et
    al. 2015, normal, fan-in, gain of a LeakyReLU of `slope`), uniform U(0, 1) or normal N(0, 1).
    """
    stream = seed.derive(f"csfnns/1/weights/{i}").stream()
    return _LAWS[law](stream, out, fan_in, fan_out, slope)


def _normals(stream: Stream, out: int, fan_in: int) -> np.ndarray:
    return stream.normals(out * fan_in).reshape(out, fan_in)


def _xavier_normal(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    return _normals(stream, out, fan_in) * math.sqrt(2 / (fan_in + fan_out))


def _xavier_uniform(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    bound = math.sqrt(6 / (fan_in + fan_out))
    return (2 * _uniform(stream, out, fan_in, fan_out, slope) - 1) * bound


def _orthogonal(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    """Orthonormal rows, or columns where there are fewer: QR of normals, signs fixed so that it is unique."""
    normals = _normals(stream, out, fan_in)
    tall = normals if out >= fan_in else normals.T
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return q if out >= fan_in else q.T


def _kaiming(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    return _normals(stream, out, fan_in) * math.sqrt(2 / ((1 + slope**2) * fan_in))


def _uniform(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    return stream.uniforms(out * fan_in).reshape(out, fan_in)


def _normal(stream: Stream, out: int, fan_in: int, fan_out: int, slope: float) -> np.ndarray:
    return _normals(stream, out, fan_in)


_LAWS = {
    "xavier-normal": _xavier_normal,
    "xavier-uniform": _xavier_uniform,
    "orthogonal": _orthogonal,
    "kaiming": _kaiming,
    "uniform": _uniform,
    "normal": _normal,
}
