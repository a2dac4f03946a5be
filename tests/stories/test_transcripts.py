"""Stories: what Anna and Ben type, each at a computer of their own, and all that they see."""

import os
import pty
import re
import runpy
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFont

import csfnns
from csfnns.extras import has
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.keys import Key, write_key
from csfnns.profile import make_profile
from csfnns.stream import Seed

Scene = Callable[..., Picture]
Play = Callable[..., None]
CLI = runpy.run_path(str(Path(__file__).parents[1] / "cli" / "conftest.py"))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREEN_FOR_RED = SRGB.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
READY = "Send it as a file or document: chat apps recompress pictures."


@pytest.fixture(autouse=True)
def two_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a folder with mine.key; nothing is set in the environment, and covers are the same in every run."""
    for who in ("anna", "ben"):
        (tmp_path / who).mkdir()
        _write_key(tmp_path / who / "mine.key")
    for name in ("KEY", "PASSPHRASE", "KEY_PASSPHRASE", "COVERS", "DEVICE", "ALLOW_LARGE"):
        monkeypatch.delenv(f"CSFNNS_{name}", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(csfnns.__file__).parents[1]))
    nonces = (sha256(bytes([turn])).digest()[:16] for turn in count())
    monkeypatch.setattr("csfnns.messages.send.make_nonce", lambda *_: next(nonces))
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    return tmp_path / "anna"


@pytest.fixture
def ben(tmp_path: Path) -> Path:
    return tmp_path / "ben"


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Type what follows "anna$" and "ben$" in their folders, with homes of their own, and compare all that appears.

    As in the transcripts of tests/cli, "..." stands for anything, and [exit N] for an exit code other than 0.
    """

    def run(text: str, home: str = "home") -> None:
        words = re.split(r"^(anna|ben)\$ ", textwrap.dedent(text).strip(), flags=re.MULTILINE)[1:]
        for who, step in zip(words[::2], words[1::2], strict=True):
            monkeypatch.chdir(tmp_path / who)
            monkeypatch.setenv("CSFNNS_HOME", os.path.abspath(home))
            command, _, expected = step.partition("\n")
            simple = command.startswith("csfnns ") and not set(command) & set("|;<>")
            seen = CLI["_run"](command) if simple else _shell(command)
            assert re.fullmatch(CLI["_pattern"](expected.strip()), seen), f"{who}$ {command}\n{seen}"

    return run


def _write_key(path: Path, number: int = 0, *, side: int = 128, profile: str = "standard") -> None:
    """The same key in every run."""
    write_key(Key.from_root(make_profile(profile, width=side, height=side), Seed(bytes([number]) * 32)), path)


def _shell(command: str) -> str:
    line = f'exec 2>&1; csfnns() {{ "{sys.executable}" -m csfnns "$@"; }}; {command}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    return "\n".join(done.stdout.splitlines() + [f"[exit {done.returncode}]"] * (done.returncode != 0))


def _shown(terminal: int, until: bytes = b"\0") -> bytes:
    """What a terminal shows until these bytes come or the program ends."""
    seen = b""
    with suppress(OSError):  # what Linux says at the end
        while until not in seen and (part := os.read(terminal, 4096)):
            seen += part
    return seen


def test_two_people_make_a_key_and_compare_it(play: Play) -> None:
    """Anna makes a key, hands Ben a copy, both compare the four words on the phone, and she sends a line of text."""
    play(f"""
        anna$ csfnns key new ours.key --size 128
        ours.key hides and reveals, for everyone who has a copy.
        Give a copy to the other end alone, in person or over a secure channel.
        anna$ cp ours.key ../ben
        anna$ csfnns cover -k ours.key
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
        ben$ csfnns cover -k ours.key
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
        anna$ csfnns hide --text "See you at noon" -k ours.key -o ../ben/beach.png
        ../ben/beach.png is ready: a text (15 bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal beach.png -k ours.key
        Revealed a text, exactly as sent on ....
        See you at noon
    """)


def test_a_photo_from_a_phone(play: Play, scene: Scene, anna: Path, ben: Path) -> None:
    """Anna's phone stores a photo on its side, larger than the cover: Ben gets it upright and in good quality."""
    upright = Image.Exif()
    upright[0x112] = 6  # turn right by 90 degrees
    Image.fromarray(scene(300, 400, 1)).save(anna / "IMG_0001.jpg", quality=90, exif=upright)
    play(f"""
        anna$ csfnns hide IMG_0001.jpg -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: a 300x400 picture is inside and arrives in good quality.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key -o photo.jpg
        Revealed photo.jpg: a 300x400 picture, converted from AVIF, as a JPEG of quality 95, sent on ....
    """)
    assert psnr(read_picture(ben / "photo.jpg"), read_picture(anna / "IMG_0001.jpg")) > 28


def test_a_screenshot_stays_readable(play: Play, anna: Path, ben: Path) -> None:
    """Anna sends a screenshot with letters 12 pixels high, and Ben gets every pixel of it."""
    screen = Image.new("RGB", (240, 120), "white")
    words = "Order 4711 has shipped.\nTrack it: DE 20 0341 77\nCode for pickup: 8305"
    ImageDraw.Draw(screen).text((8, 10), words, (20, 20, 20), ImageFont.load_default(12), spacing=12)
    screen.save(anna / "Screenshot.png")
    play(f"""
        anna$ csfnns hide Screenshot.png -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: a 240x120 picture is inside and arrives identical.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key -o Screenshot.png
        Revealed Screenshot.png: a 240x120 picture, converted from WEBP, sent on ....
    """)
    assert np.array_equal(read_picture(ben / "Screenshot.png"), np.asarray(screen))


def test_a_pdf(play: Play, anna: Path, ben: Path) -> None:
    """Anna sends a PDF, Ben reveals it under its own name, and it is the same to the last byte."""
    (anna / "report.pdf").write_bytes(b"%PDF-1.7\n" + Seed(bytes(32)).stream().take(700))
    play(f"""
        anna$ csfnns hide report.pdf -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: report.pdf (709 bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key
        Revealed report.pdf: 709 bytes, exactly as sent on ....
        ben$ cmp report.pdf ../anna/report.pdf
    """)


def test_the_wrong_key(play: Play, ben: Path) -> None:
    """Ben tries the key of somebody else, and reads that this may be the reason."""
    _write_key(ben / "other.key", 9)
    play("""
        anna$ csfnns hide --text "At noon" -k mine.key -o ../ben/beach.png -q
        ben$ csfnns reveal beach.png -k other.key
        error: This picture is not for this key, or was changed on its way.
        hint: Check that it is the right key, and ask for the file as it was written. A key made with --profile robust ...
        [exit 8]
    """)


def test_a_chat_app_recompresses_the_picture(play: Play, anna: Path, ben: Path) -> None:
    """Anna sends a photo instead of a file, the chat app makes a JPEG of it, and Ben learns why he gets nothing."""
    play('anna$ csfnns hide --text "At noon" -k mine.key -o beach.png -q')
    Image.fromarray(read_picture(anna / "beach.png")).save(ben / "IMG-WA0001.jpg", quality=75)
    play("""
        ben$ csfnns reveal IMG-WA0001.jpg -k mine.key
        error: This picture is not for this key, or was recompressed as a JPEG on its way.
        hint: Ask for the file as it was written, sent as a file or document: chat apps recompress pictures. A key made ...
        [exit 8]
    """)


def test_a_robust_key_survives_the_chat_app(play: Play, anna: Path, ben: Path) -> None:
    """Only photos can be sent: with a key for that, the text survives what the chat app does."""
    pytest.importorskip("torch", reason="needs the extra network")
    for folder in (anna, ben):
        _write_key(folder / "phone.key", side=256, profile="robust")
    play("""
        anna$ csfnns hide --text "At noon" -k phone.key --survive whatsapp --set steps=40 -o beach.png
        beach.png is ready: a text (7 bytes) is inside and arrives unchanged.
        It survives whatsapp (jpeg:55/420), whatsapp (jpeg:85/420): it was read back after each.
    """)
    Image.fromarray(read_picture(anna / "beach.png")).save(ben / "IMG-WA0001.jpg", quality=70)
    play("""
        ben$ csfnns reveal IMG-WA0001.jpg -k phone.key -q
        At noon
    """)


def test_a_picture_that_was_turned_mirrored_or_tagged(play: Play, anna: Path, ben: Path) -> None:
    """Ben's programs turned one copy, mirrored another, and tagged a third with a colour profile: he can read them all."""
    play('anna$ csfnns hide --text "At noon" -k mine.key -o beach.png -q')
    picture = read_picture(anna / "beach.png")
    Image.fromarray(np.rot90(picture)).save(ben / "turned.png")
    Image.fromarray(picture[:, ::-1]).save(ben / "mirrored.webp", lossless=True)
    Image.fromarray(picture).save(ben / "tagged.png", icc_profile=GREEN_FOR_RED)
    play("""
        ben$ csfnns reveal turned.png mirrored.webp tagged.png -k mine.key -q
        At noon
        At noon
        At noon
    """)


def test_a_secret_with_a_colour_profile(play: Play, scene: Scene, anna: Path, ben: Path) -> None:
    """Anna's photo says how its colours are meant, and Ben sees them as she does."""
    Image.fromarray(scene(48, 64)).save(anna / "wide.png", icc_profile=GREEN_FOR_RED)
    play(f"""
        anna$ csfnns hide wide.png -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: a 64x48 picture is inside and arrives clear.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key
        Revealed wide.png: a 64x48 picture, clear, sent on ....
    """)
    assert psnr(read_picture(ben / "wide.png"), scene(48, 64)[..., [1, 0, 2]]) > 35


def test_a_picture_of_an_iphone(play: Play, anna: Path, ben: Path) -> None:
    """An iPhone's picture is read where the extra is installed, and otherwise refused with what to do."""
    tests = runpy.run_path(str(Path(__file__).parents[1] / "payloads" / "test_secret.py"))
    (anna / "IMG_0001.HEIC").write_bytes(tests["HEIC"])
    if not has("phone"):
        play("""
            anna$ csfnns hide IMG_0001.HEIC -k mine.key -o beach.png
            error: IMG_0001.HEIC is an iPhone picture (HEIC).
            hint: Install csfnns[phone], or convert it to JPEG first.
            [exit 3]
        """)
        return
    play(f"""
        anna$ csfnns hide IMG_0001.HEIC -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: a 64x48 picture is inside and arrives identical.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key -o photo.jpg
        Revealed photo.jpg: a 64x48 picture, converted from WEBP, as a JPEG of quality 95, sent on ....
    """)
    assert psnr(read_picture(ben / "photo.jpg"), read_picture(anna / "IMG_0001.HEIC")) > 35


def test_an_animation(play: Play, anna: Path) -> None:
    """A GIF goes as the file that it is, and still moves at Ben's; asked for a size, csfnns says that one picture goes."""
    frames = [Image.new("P", (32, 32), i) for i in range(4)]
    for i, frame in enumerate(frames):
        frame.putpalette([255, 255, 255] * 9 + [200, 30, 30])
        frame.paste(9, (8 * i, 8, 8 * i + 8, 24))
    frames[0].save(anna / "wave.gif", save_all=True, append_images=frames[1:], duration=200)
    play(f"""
        anna$ csfnns hide wave.gif -k mine.key -o ../ben/beach.png
        ../ben/beach.png is ready: wave.gif (... bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal beach.png -k mine.key
        Revealed wave.gif: ... bytes, exactly as sent on ....
        ben$ cmp wave.gif ../anna/wave.gif
        anna$ csfnns hide wave.gif -k mine.key -o first.png --resize 16
        warning: Only the first of its 4 pictures is inside: without --resize, the whole file goes.
        first.png is ready: a 16x16 picture is inside and arrives ....
        {READY}
    """)


def test_pipes(play: Play, anna: Path) -> None:
    """Anna's script hides what another program writes, and Ben's hands on what it reveals: no file in between."""
    play(f"""
        anna$ echo "At noon" | csfnns hide - -k mine.key -o - > ../ben/beach.png
        Ready: a file (8 bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal - -k mine.key -o - -q < beach.png | tr a-z A-Z
        AT NOON
    """)


def test_a_full_disk(play: Play, anna: Path, ben: Path) -> None:
    """The disk has no room for the picture: there is no half of it, only an error."""
    play("""
        anna$ (ulimit -f 8; csfnns hide --text "At noon" -k mine.key -o beach.png)
        error: beach.png cannot be written: File too large.
        hint: Check permissions and free space, or choose another place.
        [exit 3]
        anna$ csfnns hide --text "At noon" -k mine.key -o - -q > /dev/full
        error: The output cannot be written: No space left on device.
        hint: Check the disk, or write to another place.
        [exit 3]
        anna$ ls
        mine.key
    """)


def test_a_home_that_cannot_be_written(play: Play, scene: Scene, anna: Path) -> None:
    """On a computer that keeps nothing, keys work; settings and albums, which must be kept, are refused."""
    (anna / "album").mkdir()
    Image.fromarray(scene(80, 80)).save(anna / "album/1.png")
    transcript = """
        anna$ csfnns hide --text "At noon" -k mine.key -o ../ben/beach.png -q
        ben$ csfnns reveal beach.png -k mine.key -q
        At noon
        ben$ csfnns config set key mine.key
        error: /dev/null/home cannot be made: Not a directory.
        hint: Set CSFNNS_HOME to a folder of yours.
        [exit 2]
        anna$ csfnns key new album.key --album album --size 64
        error: The register of used pictures /dev/null/home/albums.sqlite3 cannot be used: Not a directory.
        hint: Check its permissions and the free space. If it is damaged, remove it and make new keys for albums.
        [exit 6]
        anna$ ls *.key
        mine.key
    """
    play(transcript, home="/dev/null/home")


def test_ctrl_c(scene: Scene, anna: Path) -> None:
    """Anna presses Ctrl-C while a large photo is being hidden: it stops at once, and leaves nothing behind."""
    Image.fromarray(scene(600, 600, 2)).save(anna / "large.jpg")
    _write_key(anna / "large.key", side=1024)
    ours, theirs = pty.openpty()
    start = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, '-m', 'csfnns', *sys.argv[1:]])"
    words = [sys.executable, "-c", start, "hide", "large.jpg", "-k", "large.key", "-o", "beach.png"]
    with subprocess.Popen(words, cwd=anna, env=os.environ | {"TERM": "xterm"}, stdin=theirs) as process:
        os.close(theirs)
        assert b"searching" in _shown(ours, b"searching")
        os.write(ours, b"\x03")
        seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", _shown(ours).decode())
    os.close(ours)
    assert (process.returncode, seen.splitlines()[-1]) == (130, "error: Stopped.")
    assert {file.name for file in anna.iterdir()} == {"mine.key", "large.jpg", "large.key"}


def test_names_of_the_world(play: Play, anna: Path, ben: Path) -> None:
    """File names with umlauts, Chinese and blanks go and come as they are, and so does the text."""
    (anna / "Grüße aus 北京.txt").write_text("Привет!\n", encoding="utf-8")
    play(f"""
        anna$ csfnns hide "Grüße aus 北京.txt" -k mine.key -o "../ben/Straße am Meer.png"
        ../ben/Straße am Meer.png is ready: Grüße aus 北京.txt (14 bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal "Straße am Meer.png" -k mine.key
        Revealed Grüße aus 北京.txt: 14 bytes, exactly as sent on ....
        ben$ csfnns hide --text "谢谢 🙂" -k mine.key -o ../anna/海.png -q
        anna$ csfnns reveal 海.png -k mine.key -q
        谢谢 🙂
    """)


def test_a_receiver_answers(play: Play) -> None:
    """Anna makes a key for Ben and Carol; Ben answers with his, and Anna sees who wrote."""
    play("""
        anna$ csfnns key new team.key --receiver ben --receiver carol --size 128
        team.key is yours alone: it hides for ben and carol, and reveals their answers.
        Give team.ben.key to ben, team.carol.key to carol: each in person or over a secure channel.
        anna$ mv team.ben.key ../ben
        anna$ csfnns hide --text "Lunch?" ben -k team.key -o ../ben/beach.png -q
        ben$ csfnns reveal beach.png -k team.ben.key -q
        Lunch?
        ben$ csfnns hide --text "At noon" -k team.ben.key -o ../anna/answer.png -q
        anna$ csfnns reveal answer.png -k team.key
        Revealed a text, exactly as sent by ben on ....
        At noon
    """)


def test_several_receivers_and_a_decoy_among_their_pictures(play: Play, anna: Path) -> None:
    """One picture holds something for each of two; among those that Ben gets is a decoy, with nothing in it."""
    play(f"""
        anna$ csfnns key new team.key --receiver ben --receiver carol --size 128 --json
        ...
        anna$ cp team.ben.key ../ben; mkdir ../ben/inbox; echo hello > plan.txt; echo soup > menu.txt
        anna$ csfnns hide ben=plan.txt carol=menu.txt -k team.key --method grain -o ../ben/1.png
        ../ben/1.png is ready: ben gets plan.txt (6 bytes), unchanged; carol gets menu.txt (5 bytes), unchanged.
        {READY}
        anna$ csfnns cover -k team.key --decoy -o ../ben/2.png
        ../ben/2.png is a decoy: there is nothing in it.
        anna$ csfnns hide --text "At noon" ben -k team.key --method grain -o ../ben/3.png -q
        ben$ csfnns reveal 1.png 2.png 3.png -k team.ben.key -o inbox
        Revealed inbox/plan.txt: 6 bytes, exactly as sent on ....
        error: 2.png: This picture was made with this key, and nothing for you can be read from it.
        hint: It is a decoy or a message to others, or it was changed on its way: then ask for the file as it was written.
        Revealed inbox/message-...-...-....txt: a text, exactly as sent on ....
        [exit 8]
    """)


def test_a_damaged_picture(play: Play, scene: Scene, anna: Path, ben: Path) -> None:
    """A few pixels were painted over: a photo still comes, with a warning; a file, which must be exact, does not."""
    Image.fromarray(scene(48, 64)).save(anna / "photo.png")
    play("""
        anna$ csfnns hide photo.png -k mine.key -o 1.png --set dated=no -q
        anna$ csfnns hide --text "At noon" -k mine.key -o 2.png --set dated=no -q
    """)
    for name in ("1.png", "2.png"):
        picture = read_picture(anna / name)
        picture[60, 40:44] ^= 1
        Image.fromarray(picture).save(ben / name)
    play("""
        ben$ csfnns reveal 1.png -k mine.key
        Revealed photo.png: a 64x48 picture.
        warning: The picture was changed on its way: this is what is left of the secret. Ask for the file as it was ...
        ben$ csfnns reveal 2.png -k mine.key
        error: The picture holds a message for this key, but it was changed on its way.
        hint: Ask for the file as it was written.
        [exit 9]
    """)


def test_a_passphrase_with_another_size(play: Play) -> None:
    """Anna and Ben know a passphrase; she chose small pictures, he forgot to, and is told which size to add."""
    play(f"""
        anna$ echo "wagon lattice thirty orchid plume" > words.txt; cp words.txt ../ben
        anna$ csfnns hide --text "At noon" --passphrase-file words.txt --size 128x96 -o ../ben/beach.png
        passphrase: strong, about ... bits; words to compare: ...-...
        ../ben/beach.png is ready: a text (7 bytes) is inside and arrives unchanged.
        {READY}
        ben$ csfnns reveal beach.png --passphrase-file words.txt -q
        error: This picture is not for this key, ...: it has 128x96 pixels, and this key's pictures have 512x512.
        hint: If it was made with the passphrase and this size, add --size 128x96. Ask for the file as it was written, ...
        [exit 8]
        ben$ csfnns reveal beach.png --passphrase-file words.txt --size 128x96 -q
        At noon
    """)


def test_a_key_under_a_passphrase(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anna protects her key: it opens with the right passphrase only, and Ben's copy needs none."""
    typed = iter(["wagon lattice thirty orchid plume"] * 2 + ["wagon lattice"] + ["wagon lattice thirty orchid plume"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    play("""
        anna$ csfnns key protect mine.key
        A passphrase protects mine.key now.
        anna$ csfnns hide --text "At noon" -k mine.key -o ../ben/beach.png -q
        error: This passphrase does not open mine.key, or somebody changed the file.
        hint: Type it again; capitals and blanks count.
        [exit 4]
        anna$ csfnns hide --text "At noon" -k mine.key -o ../ben/beach.png -q
        ben$ csfnns reveal beach.png -k mine.key -q
        At noon
    """)
