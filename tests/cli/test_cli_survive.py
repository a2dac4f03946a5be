import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csfnns.picture import Picture

Transcript = Callable[[str], None]
pytestmark = pytest.mark.usefixtures("photo")


def compress(name: str, to: str, **options: object) -> None:
    with Image.open(name) as image:
        image.save(to, "JPEG", **options)


def test_a_picture_survives_the_jpeg_it_was_prepared_for(transcript: Transcript) -> None:
    transcript("""
        $ csfnns key new home.key --profile robust --size 192
        ...
        $ csfnns hide secret.png -o stego.png -k home.key --survive jpeg:85-95 --steps 60 --beta 0.1
        stego.png: message 1
        ...
        stego against cover ...
        main against secret ...
        main after jpeg:85/420 ...
        main after jpeg:85/444 ...
        main after jpeg:95/420 ...
        main after jpeg:95/444 ...
        ...
        """)
    compress("stego.png", "posted.jpg", quality=90)
    transcript("""
        $ csfnns reveal posted.jpg -o found.png -k home.key
        ...
        """)
    assert np.asarray(Image.open("found.png")).shape == (40, 60, 3)


def test_a_jpeg_file_is_written_for_one_quality(run: Callable[[str], str], photo: Picture) -> None:
    run("csfnns key new home.key --profile robust --size 192")
    options = "--survive jpeg:90/420 --steps 60 --beta 0.1"
    shown = json.loads(run(f"csfnns hide secret.png -o holiday.jpg -k home.key {options} --json"))
    assert shown["survives"] == {}  # the file is that JPEG
    assert shown["stego"]["psnr"] > 28
    assert shown["receivers"]["main"]["psnr"] > 20
    with Image.open("holiday.jpg") as image:
        assert image.format == "JPEG"
    assert "[exit" not in run("csfnns reveal holiday.jpg -o found.png -k home.key")


@pytest.mark.parametrize("survive", ["jpeg:75-95", "blur:3"])
def test_what_cannot_be_is_refused(survive: str, run: Callable[[str], str]) -> None:
    run("csfnns key new home.key --profile robust --size 192")
    shown = run(f"csfnns hide secret.png -o holiday.jpg -k home.key --survive {survive}")
    assert "error:" in shown
    assert "hint:" in shown
    assert not Path("holiday.jpg").exists()


def test_a_standard_key_does_not_promise_to_survive(transcript: Transcript) -> None:
    transcript("""
        $ csfnns key new home.key --size 192
        ...
        $ csfnns hide secret.png -o stego.png -k home.key --survive jpeg:90
        error: A stego of this key does not survive jpeg:90: its profile is 'standard'.
        hint: Make a key with 'csfnns key new --profile robust'.
        [exit 2]
        """)
