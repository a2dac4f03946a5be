"""The address of a stego: a random nonce and a check value, readable with the key and without the cover.

    nonce 16 | check 8 → LDPC → 384 bits, whitened
        → parities of levels             LevelAddress         lossless pictures
        → parities of coefficients       CoefficientAddress   JPEG files written by coefficients
        → low frequencies of blocks      ProjectionAddress    pictures that are compressed or scaled on their way

Everything of a message follows from key and nonce. The places depend on the key and the size alone.

    send      bits = encode(key, make_nonce(key, digest), context)
              delta[address.places] = address.changes(cover, bits, model, rate, seed), or
              stego = address.write(stego, bits, seed)
    receive   nonce = decode(key, address.read(picture), context), None where there is none
"""

from csfnns.address.code import CODED, NONCE_BYTES, decode, encode, make_nonce
from csfnns.address.parities import CoefficientAddress, LevelAddress, draw_changes
from csfnns.address.projections import ProjectionAddress, low_frequencies

__all__ = [
    "CODED",
    "NONCE_BYTES",
    "CoefficientAddress",
    "LevelAddress",
    "ProjectionAddress",
    "decode",
    "draw_changes",
    "encode",
    "low_frequencies",
    "make_nonce",
]
