"""The program of tests/other_program.py, written from docs/format-files.md, reads what `Direct` wrote."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.address.parities import GROUP
from csfnns.images.io import Picture
from csfnns.methods import Direct, Envelope, ReceiverSeeds
from csfnns.stream import Seed
from other_program import Pixels, level_places, nonce_of, pixel_model

Scene = Callable[..., Picture]
ENVELOPE = Envelope(Seed(bytes(range(32))), bytes(range(16)))


@pytest.mark.parametrize("scheme", [Direct("cost"), Direct("uniform"), Direct("grain", 0.7)], ids=lambda s: s.model)
def test_another_program_reads_it(scheme: Direct, scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(64, 96, 7)
    cover[:6, :10], cover[-6:, :10] = 0, 255
    model = pixel_model(cover, scheme.model, Fraction(str(scheme.sigma)))
    address = level_places(ENVELOPE.key.data, 64, 96, GROUP)
    for payloads in ({receivers[0]: b"alone"}, {receivers[0]: b"for one", receivers[1]: bytes(70)}):
        stego = scheme.embed(cover, payloads, envelope=ENVELOPE)
        bits = (stego.reshape(-1)[address].sum(1) % 2).astype(np.uint8)
        assert nonce_of(ENVELOPE.key.data, bits, "levels/96x64") == ENVELOPE.nonce
        for seeds, content in payloads.items():
            reader = Pixels(stego, cover, seeds.decoder.data, seeds.header.data, address)
            assert reader.read(model) == content
        other = Pixels(stego, cover, receivers[0].decoder.data, bytes(32), address)
        assert other.read(model) is None
