"""Files over several pictures, as a person types it."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def big(desk: Path, fixed_key: Callable[..., None]) -> bytes:
    """big.zip, and a key of small pictures."""
    fixed_key("mine.key", side=128)
    fixed_key("other.key", 2, side=128)
    content = random.Random(1).randbytes(6000)
    (desk / "big.zip").write_bytes(content)
    return content


def test_a_file_goes_through_a_folder(transcript: Callable[[str], None], desk: Path, big: bytes) -> None:
    transcript("""
        $ csfnns hide big.zip -k mine.key -o holiday/
        holiday/ has 4 pictures: any 2 of them restore big.zip (6,000 bytes).
        Send them as files or documents: chat apps recompress pictures.
        $ csfnns reveal holiday/holiday-0002.png -k mine.key
        error: This picture holds part 2 of 4 of big.zip.
        hint: Reveal it with the other parts: csfnns reveal FOLDER, or csfnns.reveal_long.
        [exit 2]
        $ csfnns hide --text "At noon" -k mine.key -o holiday/alone.png --quiet
    """)
    (desk / "holiday" / "holiday-0001.png").unlink()
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(desk / "holiday" / "foreign.png")
    (desk / "inbox").mkdir()
    transcript("""
        $ csfnns reveal holiday -k mine.key -o inbox
        Revealed inbox/message-...txt: a text, exactly as sent on ....
        Revealed inbox/big.zip: 6,000 bytes, exactly as sent on ..., from 3 of 4 pictures.
        1 of 5 pictures hold nothing for this key, or were changed on their way.
        $ csfnns reveal holiday -k mine.key -o back.zip --json
        {"warning": "holiday/alone.png: It holds a message of its own."}
        {"file": "back.zip", "kind": "file", "name": "big.zip", "bytes": 6000, ... "missing": [1], ...}
    """)
    assert (desk / "inbox" / "big.zip").read_bytes() == big
    assert (desk / "back.zip").read_bytes() == big
    for number in (2, 3):
        (desk / "holiday" / f"holiday-000{number}.png").unlink()
    transcript("""
        $ csfnns reveal holiday -k mine.key -o again.zip --quiet
        ...
        error: 3 of the 4 parts of big.zip are missing: 1, 2, 3.
        hint: Ask for 1 of them, whichever they are, as they were written.
        [exit 9]
        $ csfnns reveal holiday -k other.key
        error: None of the 3 pictures is for this key, or they were changed on their way.
        hint: Check that it is the right key, and ask for the files as they were written.
        [exit 8]
    """)
    assert not (desk / "again.zip").exists()


def test_what_a_folder_is_not_for(transcript: Callable[[str], None], big: bytes) -> None:
    transcript("""
        $ csfnns hide big.zip -k mine.key -o a.png --spare 1
        error: --spare is for a folder of pictures.
        hint: Name one: -o FOLDER/.
        [exit 2]
        $ csfnns hide --text "At noon" -k mine.key -o holiday/
        error: A folder of pictures is for a file.
        hint: Name a file; or one picture: -o picture.png.
        [exit 2]
        $ csfnns hide big.zip -k mine.key -o holiday/ --spare -1
        error: spare must be in 0…65534, got -1.
        hint: 2 is usual.
        [exit 2]
        $ csfnns hide big.zip -k mine.key -o holiday/ --method trellis
        error: The method 'trellis' carries pictures, and the secret is a file.
        hint: Use direct instead.
        [exit 2]
    """)
