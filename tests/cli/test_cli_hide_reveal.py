import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from csfnns.keys import Ledger, read_key
from csfnns.measure import psnr
from csfnns.picture import Picture, read_picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]

QUICK = "--steps 60"


@pytest.fixture
def sent(run: Run, photo: Picture, desk: Path, fixed_key: Callable[..., None]) -> Path:
    """mine.key, and holiday.png with secret.png hidden in it."""
    fixed_key("mine.key", side=64)
    run(f"csfnns hide secret.png -k mine.key -o holiday.png {QUICK}")
    return desk / "holiday.png"


def highest(key: Path) -> int:
    return Ledger().highest(read_key(key).id)


def test_a_picture_is_hidden_and_revealed(transcript: Transcript, photo: Picture, desk: Path) -> None:
    transcript(f"""
        $ csfnns key new mine.key --size 64
        ...
        $ csfnns hide secret.png -k mine.key -o holiday.png {QUICK}
        holiday.png: message 1
                                 PSNR     SSIM   largest change   levels changed
         ...
          stego against cover ...dB ...of 255 ...%
          main against secret ...dB ...of 255 ...%
        Stego, ... dB: no eye sees a difference.
        What main gets, ... dB: ...
        Secrets are carried, and compared here, as 32x32.
        $ csfnns reveal holiday.png -k mine.key -o back.png
        back.png: 60x40, message 1 for main
        Estimated at ... dB: ...
        Noise was taken out of it after that; --no-denoise leaves it in.
    """)
    assert psnr(read_picture(desk / "back.png"), photo) > 15
    assert {file.suffix for file in desk.iterdir() if file.is_file()} == {".png", ".key"}


def test_each_message_has_its_own_number(transcript: Transcript, sent: Path) -> None:
    transcript(f"""
        $ csfnns hide secret.png -k mine.key -o second.webp {QUICK}
        second.webp: message 2
        ...
        $ csfnns reveal second.webp -k mine.key -o back2.png
        back2.png: 60x40, message 2 for main
        ...
        $ csfnns reveal holiday.png -k mine.key -o back1.png --message 1
        back1.png: 60x40, message 1 for main
        ...
    """)


def test_several_receivers_get_a_secret_each_from_one_picture(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    other = np.ascontiguousarray(photo[::-1])
    Image.fromarray(other).save(desk / "other.png")
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 96
        ...
        $ csfnns hide bob=secret.png carol=other.png -k team.key -o holiday.png --steps 100 --beta 0.1
        holiday.png: message 1
        ...
          bob against secret ...
          carol against secret ...
        ...
        $ csfnns reveal holiday.png -k team.bob.key -o bob.png
        bob.png: 60x40, message 1 for bob
        ...
        $ csfnns reveal holiday.png -k team.key --receiver carol -o carol.png
        carol.png: 60x40, message 1 for carol
        ...
        $ csfnns reveal holiday.png -k team.key -o whose.png
        error: This key has several receivers.
        hint: Say which: bob, carol.
        [exit 2]
        $ csfnns reveal holiday.png -k team.bob.key --receiver carol -o whose.png
        error: This key holds no receiver 'carol'.
        hint: It holds: bob.
        [exit 2]
        $ csfnns hide secret.png -k team.bob.key -o answer.png
        error: This is a receiver's key: it reveals, and does not hide.
        hint: To answer, make a key of your own with 'csfnns key new'.
        [exit 4]
    """)
    bob, carol = read_picture(desk / "bob.png"), read_picture(desk / "carol.png")
    assert psnr(bob, photo) > psnr(bob, other) + 3
    assert psnr(carol, other) > psnr(carol, photo) + 3
    assert not (desk / "whose.png").exists()


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ("bob=secret.png secret.png", "Nobody is named to receive secret.png."),
        ("bob=secret.png bob=secret.png", "There are two pictures for bob."),
        ("dave=secret.png", "This key holds no receiver 'dave'."),
    ],
)
def test_receivers_are_named_once_and_known(
    secrets: str, said: str, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new team.key --receiver bob --receiver carol --size 64")
    seen = run(f"csfnns hide {secrets} -k team.key -o holiday.png")
    assert said in seen
    assert seen.endswith("[exit 2]")
    assert highest(desk / "team.key") == 0


def test_more_bits_than_a_cover_has_cost_no_message_number(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 64 --bpp 24
        ...
        $ csfnns hide bob=secret.png carol=secret.png -k team.key -o holiday.png
        error: 2 secrets of 24 bits a cover pixel are more than a cover's 24.
        hint: ...
        [exit 7]
    """)
    assert highest(desk / "team.key") == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_costs_no_message_number(
    transcript: Transcript, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new mine.key --size 64")
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png --device cuda
        error: The device 'cuda' cannot be used: ...
        hint: Try 'cpu'.
        [exit 2]
    """)
    assert highest(desk / "mine.key") == 0


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("holiday.jpg", ".jpg is a lossy format: it would destroy what is hidden."),
        ("holiday", "holiday names no picture format."),
        ("nowhere/holiday.png", "There is no folder nowhere."),
        ("secret.png --overwrite", "secret.png is one of the inputs."),
        ("taken.png", "taken.png already exists."),
    ],
)
def test_an_output_name_that_cannot_be_costs_no_message_number(
    out: str, said: str, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new mine.key --size 64")
    (desk / "taken.png").write_text("precious")
    before = (desk / "secret.png").read_bytes()
    seen = run(f"csfnns hide secret.png -k mine.key -o {out}")
    assert f"error: {said}" in seen
    assert seen.endswith("[exit 3]")
    assert highest(desk / "mine.key") == 0
    assert (desk / "secret.png").read_bytes() == before
    assert (desk / "taken.png").read_text() == "precious"


def test_overwrite_replaces_the_output(run: Run, sent: Path, desk: Path) -> None:
    (desk / "back.png").write_text("old")
    assert run("csfnns reveal holiday.png -k mine.key -o back.png").endswith("[exit 3]")
    assert (desk / "back.png").read_text() == "old"
    run("csfnns reveal holiday.png -k mine.key -o back.png --overwrite")
    assert read_picture(desk / "back.png").shape == (40, 60, 3)


def test_a_wrong_key_a_plain_picture_and_a_changed_one_leave_no_file(
    transcript: Transcript, run: Run, sent: Path, desk: Path, fixed_key: Callable[..., None]
) -> None:
    fixed_key("other.key", 2, side=64)
    run("csfnns cover -k mine.key -o cover.png")
    changed = read_picture(sent).astype(np.int16) + np.random.default_rng(1).integers(-8, 9, (64, 64, 3))
    Image.fromarray(changed.clip(0, 255).astype(np.uint8)).save(desk / "changed.png")
    transcript("""
        $ csfnns reveal holiday.png -k other.key -o back.png
        error: This picture is made on none of this key's covers, or on none that is due.
        hint: ...
        [exit 8]
        $ csfnns reveal secret.png -k mine.key -o back.png
        error: The picture has 60x40 pixels, this key's have 64x64.
        hint: Use the picture as it was sent, not cut or scaled, and the key that belongs to it.
        [exit 8]
        $ csfnns reveal cover.png -k mine.key -o back.png
        error: This picture is made on none of this key's covers, or on none that is due.
        hint: ...
        [exit 8]
        $ csfnns reveal changed.png -k mine.key -o back.png
        error: The picture resembles the cover of message 1, but no secret can be read from it.
        hint: ...
        [exit 9]
    """)
    assert not (desk / "back.png").exists()


def test_reveal_never_replaces_the_picture_that_it_reads(transcript: Transcript, sent: Path) -> None:
    before = sent.read_bytes()
    transcript("""
        $ csfnns reveal holiday.png -k mine.key -o holiday.png --overwrite
        error: holiday.png is one of the inputs.
        hint: Choose another output name.
        [exit 3]
    """)
    assert sent.read_bytes() == before


def test_a_search_that_fails_says_so_and_leaves_no_file(
    transcript: Transcript, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new mine.key --size 64")
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png --steps 1
        error: ...
        hint: Try again with more steps or a larger beta: the next message has another cover and decoder.
        [exit 10]
        $ csfnns hide secret.png -k mine.key -o holiday.png --steps 0
        error: These search settings cannot be.
        hint: ...
        [exit 2]
    """)
    assert not (desk / "holiday.png").exists()


def test_a_ledger_that_is_damaged_stops_hiding(
    transcript: Transcript, run: Run, photo: Picture, desk: Path, home: Path
) -> None:
    run("csfnns key new mine.key --size 64")
    home.mkdir()
    (home / "ledger.sqlite3").write_bytes(b"")
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png
        error: .../ledger.sqlite3 is no ledger of csfnns, or it was emptied.
        hint: ...
        [exit 5]
    """)
    assert not (desk / "holiday.png").exists()


def test_missing_and_broken_pictures_are_named(transcript: Transcript, run: Run, desk: Path) -> None:
    run("csfnns key new mine.key --size 64")
    (desk / "[red]broken.png").write_text("not a picture")
    transcript("""
        $ csfnns hide missing.jpg -k mine.key -o holiday.png
        error: There is no file missing.jpg.
        hint: Check the path.
        [exit 3]
        $ csfnns hide '[red]broken.png' -k mine.key -o holiday.png
        error: [red]broken.png is not a picture that csfnns can read.
        hint: ...
        [exit 3]
    """)


def test_an_album_gives_covers_until_it_is_used_up(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    (desk / "album").mkdir()
    for n, picture in enumerate(np.random.default_rng(1).integers(60, 200, (2, 80, 90, 3))):
        Image.fromarray(picture.astype(np.uint8)).save(desk / f"album/{n}.png")
    transcript(f"""
        $ csfnns key new mine.key --generator folder --album album --size 64
        mine.key: ...
        ...
        album     ...
        Hand keys over...
        ...
        $ csfnns hide secret.png -k mine.key -o holiday.png {QUICK}
        error: This key's covers come from an album of pictures.
        hint: Name its folder: --album DIR.
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png --album album {QUICK}
        holiday.png: message 1
        ...
        $ csfnns reveal holiday.png -k mine.key -o back.png --album album
        back.png: 60x40, message 1 for main
        ...
        $ csfnns hide secret.png -k mine.key -o second.png --album album {QUICK}
        error: The album album is used up...
        hint: ...
        [exit 6]
    """)


def test_the_album_of_the_environment_counts_only_for_keys_that_need_one(
    run: Run, sent: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk / "album").mkdir()
    Image.fromarray(read_picture(sent)).save(desk / "album/1.png")
    monkeypatch.setenv("CSFNNS_ALBUM", "album")
    assert "[exit" not in run("csfnns cover -k mine.key")
    assert "[exit" not in run("csfnns key new folder.key --generator folder --size 64")
    assert "[exit" not in run("csfnns cover -k folder.key")


def test_the_key_may_come_from_the_environment(
    transcript: Transcript, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript("""
        $ csfnns reveal holiday.png -o back.png
        error: There is no key on this command line.
        hint: Give -k FILE, --passphrase or --passphrase-file FILE, or set CSFNNS_KEY or CSFNNS_PASSPHRASE.
        [exit 2]
    """)
    monkeypatch.setenv("CSFNNS_KEY", "mine.key")
    transcript("""
        $ csfnns reveal holiday.png -o back.png
        back.png: 60x40, message 1 for main
        ...
        $ csfnns cover -k missing.key
        error: There is no key file missing.key.
        ...
        [exit 4]
        $ csfnns cover --size 64
        error: --size cannot go with a key file.
        hint: Leave it out: a key file holds its profile.
        [exit 2]
    """)
    monkeypatch.setenv("CSFNNS_PASSPHRASE", "tea")
    transcript("""
        $ csfnns cover
        error: CSFNNS_KEY and CSFNNS_PASSPHRASE are both set.
        hint: Give -k FILE or --passphrase.
        [exit 2]
        $ csfnns cover -k mine.key --passphrase
        error: There are several keys on this command line.
        ...
        [exit 2]
    """)


def test_json_is_one_object_on_stdout(run: Run, sent: Path, desk: Path) -> None:
    hidden = json.loads(run(f"csfnns hide secret.png -k mine.key -o second.png {QUICK} --json"))
    assert hidden["file"] == "second.png"
    assert hidden["message"] == 2
    assert 35 < hidden["stego"]["psnr"] < 70
    assert set(hidden["recovered"]["main"]) == {"psnr", "ssim", "max_abs", "changed"}
    revealed = json.loads(run("csfnns reveal second.png -k mine.key -o back.png --json"))
    assert (revealed["width"], revealed["height"], revealed["message"]) == (60, 40, 2)


def test_errors_are_json_too_when_that_was_asked_for(run: Run, sent: Path) -> None:
    failed, code = run("csfnns reveal secret.png -k mine.key -o back.png --json").splitlines()
    assert code == "[exit 8]"
    assert set(json.loads(failed)["error"]) == {"kind", "message", "hint", "exit_code"}
    assert json.loads(failed)["error"]["exit_code"] == 8
    failed, code = run("csfnns reveal secret.png --json --fancy").splitlines()
    assert code == "[exit 2]"
    assert "--fancy" in json.loads(failed)["error"]["message"]


def test_the_dial_goes_from_invisible_to_faithful(run: Run, photo: Picture, desk: Path) -> None:
    run("csfnns key new mine.key --size 96")
    figures = []
    for i, dial in enumerate(("--invisible", "", "--balance 0.5", "--faithful")):
        answer = json.loads(run(f"csfnns hide secret.png -k mine.key -o {i}.png --steps 80 {dial} --json"))
        figures.append((answer["stego"]["psnr"], answer["recovered"]["main"]["psnr"]))
    stego, recovered = zip(*figures, strict=True)
    assert list(stego) == sorted(stego, reverse=True)
    assert list(recovered) == sorted(recovered)


def test_the_dial_has_one_place(transcript: Transcript, photo: Picture, desk: Path) -> None:
    transcript("""
        $ csfnns key new mine.key --size 64
        ...
        $ csfnns hide secret.png -k mine.key -o a.png --faithful --balance 0.2
        error: --faithful, --invisible and --balance are one dial.
        ...
        $ csfnns hide secret.png -k mine.key -o a.png --faithful --target-stego 40
        error: A target turns the dial by itself.
        ...
    """)


def test_a_target_on_the_command_line(run: Run, photo: Picture, desk: Path) -> None:
    run("csfnns key new mine.key --size 96")
    answer = json.loads(
        run("csfnns hide secret.png -k mine.key -o a.png --steps 60 --target-stego 43 --json")
    )
    assert 43 <= answer["stego"]["psnr"] < 43.5
