"""Standard input and output, and pipes."""

import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.keys import read_key

Run = Callable[..., str]
Pipe = Callable[..., bytes]


@pytest.fixture(autouse=True)
def key(fixed_key: Callable[..., None]) -> None:
    fixed_key("mine.key", side=128)


@pytest.fixture
def fifo(desk: Path) -> Callable[[str, bytes], None]:
    """Make a named pipe that holds these bytes."""

    def make(name: str, data: bytes) -> None:
        os.mkfifo(desk / name)
        threading.Thread(target=(desk / name).write_bytes, args=(data,), daemon=True).start()

    return make


def test_a_secret_goes_in_and_out_through_pipes(pipe: Pipe, photo: Picture, desk: Path) -> None:
    secret = (desk / "secret.png").read_bytes()
    stego = pipe("csfnns hide - -k mine.key -o -", secret)
    with Image.open(io.BytesIO(stego)) as image:
        assert (image.format, image.size) == ("PNG", (128, 128))
    back = pipe("csfnns reveal - -k mine.key -o -", stego)
    with Image.open(io.BytesIO(back)) as image:
        assert psnr(np.asarray(image), photo) > 37


def test_bytes_and_text_come_out_as_they_went_in(pipe: Pipe) -> None:
    content = b"\x00\xff not text\n"
    assert pipe("csfnns reveal - -k mine.key -o -", pipe("csfnns hide - -k mine.key -o -", content)) == content
    text = "Grüße, café\n".encode()
    stego = pipe("csfnns hide --text - -k mine.key -o -", text)
    assert pipe("csfnns reveal - -k mine.key -o -", stego) == text.removesuffix(b"\n")
    assert text in pipe("csfnns reveal - -k mine.key", stego)


def test_what_comes_from_a_pipe_gets_a_name_when_it_is_revealed(run: Run, pipe: Pipe) -> None:
    stego = pipe("csfnns hide - -k mine.key -o -", b"hello")
    assert run("csfnns reveal - -k mine.key", stego).startswith("Revealed message-")
    (file,) = Path().glob("message-*.bin")
    assert file.read_bytes() == b"hello"


def test_a_key_comes_and_goes_through_pipes(run: Run, pipe: Pipe, photo: Picture, desk: Path) -> None:
    made = pipe("csfnns key new - --size 128")
    (desk / "made.key").write_bytes(made)
    (desk / "made.key").chmod(0o600)
    identity = read_key(desk / "made.key").id
    assert identity in run("csfnns key show -", made)
    assert "[exit" not in run("csfnns hide secret.png -k - -o a.png", made)
    assert "[exit" not in run("csfnns reveal a.png -k made.key -o back.png")
    assert run("csfnns key show -", b"no key").endswith("[exit 4]")
    assert run("csfnns key show -", b"\xff").endswith("[exit 4]")
    assert run("csfnns key new - --json").endswith("[exit 2]")
    assert run("csfnns key new - --receiver bob").endswith("[exit 2]")


def test_named_pipes_are_read(
    run: Run, pipe: Pipe, photo: Picture, desk: Path, fifo: Callable[[str, bytes], None]
) -> None:
    fifo("secret.fifo", (desk / "secret.png").read_bytes())
    fifo("key.fifo", (desk / "mine.key").read_bytes())
    said = json.loads(run("csfnns hide secret.fifo -k key.fifo -o a.png --json"))
    assert said["receivers"]["receiver"]["width"] == 60
    fifo("stego.fifo", (desk / "a.png").read_bytes())
    assert "[exit" not in run("csfnns reveal stego.fifo -k mine.key -o back.png")
    fifo("words.fifo", b"wagon lattice thirty orchid plume\n")
    assert "[exit" not in run("csfnns cover --passphrase-file words.fifo --size 64")
    stdin = b"wagon lattice thirty orchid plume\n"
    assert "[exit" not in run("csfnns cover --passphrase-file - --size 64", stdin)


def test_pictures_of_other_commands_go_through_pipes(run: Run, pipe: Pipe, photo: Picture, desk: Path) -> None:
    secret = (desk / "secret.png").read_bytes()
    grainy = pipe("csfnns grain - -o -", secret)
    assert 47 < json.loads(run("csfnns measure - secret.png --json", grainy))["psnr"] < 50
    for line in ("csfnns cover -k mine.key -o -", "csfnns cover -k mine.key --decoy -o -"):
        with Image.open(io.BytesIO(pipe(line))) as image:
            assert image.size == (128, 128)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("csfnns hide - -k - -o a.png", "Standard input can be read once only."),
        ("csfnns hide --text - -k - -o a.png", "Standard input can be read once only."),
        ("csfnns measure - -", "Standard input can be read once only."),
        ("csfnns hide secret.png -k mine.key -o - --json", "--json and -o - both write to standard output."),
        ("csfnns reveal a.png -k mine.key -o - --json", "--json and -o - both write to standard output."),
        ("csfnns hide /dev/zero -k mine.key -o a.png", "/dev/zero is not a regular file."),
        ("csfnns reveal /dev/zero -k mine.key", "/dev/zero is not a regular file."),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(line: str, said: str, run: Run, photo: Picture) -> None:
    seen = run(line)
    assert said in seen
    assert "hint" in seen
    assert not Path("a.png").exists()


def test_standard_input_that_is_not_text_is_no_text(run: Run) -> None:
    assert "Standard input is not text in UTF-8." in run("csfnns hide --text - -k mine.key -o a.png", b"\xff")
