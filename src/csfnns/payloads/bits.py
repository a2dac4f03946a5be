"""Bits as a decoder's output: each in the sign of one number, read back as soft bits.

The decoder mixes its numbers and puts them at keyed positions, so that damage to a part of the picture is spread evenly
over all bits.

    output, flat:  header · header again · body · free
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

HEADER_COPIES = 2
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class BitCodec:
    """Positions of a header of a fixed size and a body of any size among `outputs` numbers."""

    outputs: int
    header: int
    """Bits of the header with error correction; it is written HEADER_COPIES times."""

    @property
    def room(self) -> int:
        """Bits of the longest body; negative where not even the header fits."""
        return self.outputs - HEADER_COPIES * self.header

    def encode(self, header: Bits, body: Bits) -> F32:
        """Return the wanted signs of the output, (outputs,): 1 for a 0, -1 for a 1, 0 where it does not matter."""
        bits = np.concatenate([*[header] * HEADER_COPIES, body])
        signs = np.zeros(self.outputs, np.float32)
        signs[: len(bits)] = 1 - 2 * bits.astype(np.float32)
        return signs

    def decode_header(self, output: F32) -> F32:
        """Return the soft bits (header,) of an output of any shape: log P(0) / P(1)."""
        copies = output.reshape(-1)[: HEADER_COPIES * self.header].reshape(HEADER_COPIES, -1)
        return soft_bits(copies.mean(0))

    def decode_body(self, output: F32, length: int) -> F32:
        """Return the soft bits (length,) of an output of any shape."""
        start = HEADER_COPIES * self.header
        return soft_bits(output.reshape(-1)[start : start + length])


def soft_bits(received: F32) -> F32:
    """Log P(0) / P(1) of numbers that were sent as +A or -A and received with normal noise of variance v.

    A and v are unknown: they are estimated from the numbers alone by maximum likelihood (expectation maximisation).
    """
    x = received.astype(np.float64)
    power = float(np.mean(x**2))
    if power == 0:
        return np.zeros(x.shape, np.float32)
    amplitude, noise = 0.8 * power**0.5, 0.36 * power
    for _ in range(_ROUNDS):
        amplitude = float(np.mean(x * np.tanh(amplitude * x / noise)))
        noise = max(power - amplitude**2, 1e-3 * power)
    llr: F32 = (2 * amplitude / noise * x).astype(np.float32)
    return llr
