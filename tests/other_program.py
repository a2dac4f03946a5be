"""Another program: decodes what csfnns hid, written from docs/format.md alone and without any of its code."""

import hashlib
import hmac
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

Array = npt.NDArray[Any]


def hkdf(secret: bytes, label: str) -> bytes:
    return hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()


class Stream:
    def __init__(self, seed: bytes) -> None:
        self.cipher = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor()

    def take(self, n: int) -> bytes:
        return self.cipher.update(bytes(n))

    def words(self, n: int) -> list[int]:
        data = self.take(8 * n)
        return [int.from_bytes(data[i : i + 8], "little") for i in range(0, 8 * n, 8)]

    def normals(self, n: int) -> Array:
        return np.array([NormalDist().inv_cdf((2 * (word >> 12) + 1) / 2**53) for word in self.words(n)])

    def signs(self, n: int) -> Array:
        data = self.take((n + 7) // 8)
        return np.array([2 * (data[i // 8] >> (i % 8) & 1) - 1 for i in range(n)])

    def permutation(self, n: int) -> list[int]:
        words = self.words(n)
        return sorted(range(n), key=lambda i: (words[i], i))


def orthogonal(seed: bytes, layer: int, out: int, into: int) -> Array:
    """Weights (out, into) of layer 0, 1, … of kernels of one number."""
    normals = Stream(hkdf(seed, f"csfnns/1/weights/{layer}")).normals(out * into)
    matrix = normals.reshape(out, -1)
    q, r = np.linalg.qr(matrix if out >= matrix.shape[1] else matrix.T)
    q = q * np.sign(np.diag(r))
    return q if out >= matrix.shape[1] else q.T


def walsh_hadamard(x: Array) -> Array:
    """Orthonormal transform of each row, in Sylvester's order."""
    n = x.shape[1]
    if n == 1:
        return x
    first, second = x[:, : n // 2], x[:, n // 2 :]
    halves = [walsh_hadamard(first + second), walsh_hadamard(first - second)]
    return np.concatenate(halves, axis=1) / math.sqrt(2)


def spread(x: Array, stream: Stream, most: int) -> Array:
    order, signs = stream.permutation(len(x)), stream.signs(len(x))
    block = min(len(x) & -len(x), most)
    return walsh_hadamard(x[order].reshape(-1, block)).ravel() * signs


def cosines(n: int) -> Array:
    """Orthonormal DCT-II, columns are frequencies."""
    place, frequency = np.arange(n)[:, None], np.arange(n)
    waves = np.cos(np.pi * (2 * place + 1) * frequency / (2 * n)) * np.sqrt(2 / n)
    waves[:, 0] /= np.sqrt(2)
    return waves


def cuts(side: int, tile: int) -> list[slice]:
    """Parts of a side."""
    count = -(-side // tile)
    edges = [side // 16 * i // count * 16 for i in range(count + 1)]
    return [slice(edges[i], edges[i + 1]) for i in range(count)]


class Reader:
    """A receiver with the profile `robust`; `constants` is the document's table of them."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self.constants = constants

    def reveal(
        self, delta: Array, decoder_seed: bytes, header_seed: bytes, channels: int
    ) -> tuple[Array, tuple[int, int]]:
        """Picture as carried, uint8 (H, W, 3), and its true shape; δ in grey levels, (H, W, 3)."""
        output = self.decoder(delta.transpose(2, 0, 1) / 255, decoder_seed, channels)
        block = 16
        while output.shape[1] % block or output.shape[2] % block:
            block //= 2
        header = self.header(output, block, header_seed)
        spectrum = int.from_bytes(header[14:], "big")
        levels = [spectrum >> (5 * i) & 31 for i in range(24)]
        coefficients = output * self.scales(levels, block, output.shape)
        coefficients.flat[self.places(output.shape, block).ravel()] = 0
        mean = np.frombuffer(header[11:14], np.uint8) / 255
        pixels = np.clip(self.picture(coefficients, block) + mean, 0, 1)
        shape = int.from_bytes(header[7:9], "big"), int.from_bytes(header[9:11], "big")
        return np.rint(255 * pixels).astype(np.uint8), shape

    def decoder(self, delta: Array, seed: bytes, channels: int) -> Array:
        """Coefficients (3, Hs, Ws) of δ in [-1, 1], (3, H, W)."""
        tile = self.constants["TILE"]
        _, height, width = delta.shape
        tiles = [delta[:, rows, columns] for rows in cuts(height, tile) for columns in cuts(width, tile)]
        mixed = []
        for i, part in enumerate(tiles):
            stream = Stream(hkdf(seed, f"csfnns/1/tile/{i}"))
            numbers = self.low_frequencies(part).ravel()
            mixed_up = numbers[stream.permutation(len(numbers))]
            patches = mixed_up.reshape(-1, part.shape[1] // 8, part.shape[2] // 8)
            outputs = self.network(patches, seed, channels).ravel()
            mixed.append(spread(outputs, stream, self.constants["BLOCK"]))
        result = np.empty(3 * height * width // 16)
        result[Stream(hkdf(seed, "csfnns/1/places")).permutation(len(result))] = np.concatenate(mixed)
        return result.reshape(3, height // 4, width // 4)

    def low_frequencies(self, part: Array) -> Array:
        """Coefficients of the luminance's blocks, (28, h/8, w/8)."""
        steps = np.array(self.constants["STEPS"]).reshape(8, 8)
        kept = [(u, v) for u in range(8) for v in range(8) if u + v < self.constants["BELOW"]]
        red, green, blue = 255 * part
        luminance = 0.299 * red + 0.587 * green + 0.114 * blue
        waves = cosines(8)
        result = np.empty((len(kept), part.shape[1] // 8, part.shape[2] // 8))
        for row, column in np.ndindex(result.shape[1:]):
            block = luminance[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            spectrum = waves.T @ block @ waves / steps
            result[:, row, column] = [spectrum[u, v] for u, v in kept]
        return result

    def network(self, x: Array, seed: bytes, channels: int) -> Array:
        """Outputs of a tile, (12, h, w), from its patches, (28, h, w)."""
        x = np.tensordot(orthogonal(seed, 0, channels, len(x)), x, 1)
        x = np.where(x > 0, x, self.constants["SLOPE"] * x)
        x = x - x.mean((1, 2), keepdims=True)
        x = x / np.sqrt((x**2).mean((1, 2), keepdims=True) + self.constants["INSTANCE_NORM_EPSILON"])
        return np.tensordot(orthogonal(seed, 1, self.constants["OUTPUTS"], channels), x, 1)

    def places(self, shape: tuple[int, ...], block: int) -> Array:
        """Places of the header's bits in the output, read row by row: (repeats, bits)."""
        bits = 8 * self.constants["SIZE"]
        n = math.prod(shape)
        repeats = min(self.constants["REPEATS"], max(3, n // (8 * bits) | 1))
        repeats += repeats // 3

        def order(place: int) -> tuple[bool, int, int]:
            colour, row, column = np.unravel_index(place, shape)
            return bool(colour == 0), -int((row % block) ** 2 + (column % block) ** 2), place

        return np.array(sorted(range(n), key=order)[: repeats * bits]).reshape(repeats, bits)

    def header(self, output: Array, block: int, seed: bytes) -> bytes:
        places = self.places(output.shape, block)
        voters = len(places) - len(places) // 4
        votes = output.ravel()[places[:voters]].sum(0)
        data = bytes(np.packbits(votes > 0))
        if hmac.new(seed, data[6:], hashlib.sha256).digest()[:6] != data[:6] or data[6] != 1:
            raise ValueError("no message")
        return data

    def scales(self, levels: list[int], block: int, shape: tuple[int, ...]) -> Array:
        """What to multiply each output with, (3, Hs, Ws)."""
        edges = self.constants["BAND_EDGES"]
        band = np.array(
            [[sum(u**2 + v**2 >= edge for edge in edges) for v in range(block)] for u in range(block)]
        )
        deviations = np.array([0.0 if level == 31 else 2 ** (3.5 - level / 2) for level in levels])
        sigma = deviations.reshape(3, 8)[:, band]
        scale = np.sqrt(sigma * sigma.mean()) / self.constants["TARGET_STD"]
        return np.tile(scale, (1, shape[1] // block, shape[2] // block))

    def picture(self, coefficients: Array, block: int) -> Array:
        """Pixels (Hs, Ws, 3) of coefficients (3, Hs, Ws), the mean colour still missing."""
        dct = cosines(block)
        _, height, width = coefficients.shape
        colours = np.zeros_like(coefficients)
        for top in range(0, height, block):
            for left in range(0, width, block):
                part = np.s_[:, top : top + block, left : left + block]
                colours[part] = dct @ coefficients[part] @ dct.T
        brightness, red_blue, green = colours
        y, d, e = brightness / np.sqrt(3), red_blue / np.sqrt(2), green / np.sqrt(6)
        return np.stack([y + d + e, y - 2 * e, y - d + e], axis=-1)
