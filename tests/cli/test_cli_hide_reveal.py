"""Pictures, hidden and revealed on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from csfnns.keys import Ledger, read_key
from csfnns.measure import compare, psnr
from csfnns.picture import Picture, fit, read_picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]
FixedKey = Callable[..., None]


@pytest.fixture
def sent(run: Run, photo: Picture, desk: Path, fixed_key: FixedKey) -> Path:
    """mine.key, and holiday.png with secret.png hidden in it."""
    fixed_key("mine.key", side=128)
    run("csfnns hide secret.png -k mine.key -o holiday.png")
    return desk / "holiday.png"


@pytest.fixture
def team(run: Run) -> None:
    """team.key for bob and carol."""
    run("csfnns key new team.key --receiver bob --receiver carol --size 128")


def highest(key: Path) -> int:
    return Ledger().highest(read_key(key).id)


def hide(run: Run, line: str) -> Any:
    """What `csfnns hide` tells programs."""
    return json.loads(run(f"csfnns hide {line} --json"))


def test_a_picture_is_hidden_and_revealed(
    transcript: Transcript, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=128)
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png
        holiday.png: message 1
        main gets a picture of 60x40, clear (3... dB, by the trellis decoder).
                                 PSNR     SSIM   largest change   levels changed
         ...
          stego against cover ...dB ... 1 of 255 ...%
          main against secret 3...dB ...of 255 ...%
        Stego, ... dB: the difference is invisible.
        Send it as a file, unchanged.
        $ csfnns reveal holiday.png -k mine.key -o back.png
        back.png: 60x40, message 1 for main
        The picture is clear (3... dB).
    """)
    assert 37.5 < psnr(read_picture(desk / "back.png"), photo) < 38.5
    assert {file.suffix for file in desk.iterdir() if file.is_file()} == {".png", ".key"}


def test_each_message_has_its_own_number(transcript: Transcript, sent: Path) -> None:
    transcript("""
        $ csfnns hide secret.png -k mine.key -o second.webp
        second.webp: message 2
        ...
        $ csfnns reveal second.webp -k mine.key -o back2.png
        back2.png: 60x40, message 2 for main
        ...
        $ csfnns reveal holiday.png -k mine.key -o back1.png --message 1
        back1.png: 60x40, message 1 for main
        ...
    """)


def test_what_json_tells_is_what_the_receiver_finds(run: Run, sent: Path, photo: Picture, desk: Path) -> None:
    hidden = hide(run, "secret.png -k mine.key -o second.png")
    assert (hidden["file"], hidden["message"], hidden["carrier"]) == ("second.png", 2, "pixels")
    assert set(hidden["stego"]) == {"psnr", "ssim", "max_abs", "changed"}
    assert hidden["survives"] == {}
    assert "evaded" not in hidden
    revealed = json.loads(run("csfnns reveal second.png -k mine.key -o back.png --json"))
    figures = compare(read_picture(desk / "back.png"), photo)
    assert hidden["receivers"] == {
        "main": {
            "method": "trellis",
            "exact": False,
            "width": 60,
            "height": 40,
            "psnr": pytest.approx(figures.psnr),
            "ssim": pytest.approx(figures.ssim),
            "max_abs": figures.max_abs,
            "changed": figures.changed,
            "original_psnr": pytest.approx(figures.psnr),
        }
    }
    assert revealed == {
        "file": "back.png",
        "message": 2,
        "receiver": "main",
        "width": 60,
        "height": 40,
        "kind": "picture",
        "unchanged": True,
        "expected_psnr": pytest.approx(figures.psnr, abs=0.13),
        "denoised": False,
    }


def test_a_picture_is_as_large_as_the_sender_says(
    run: Run, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=128)
    told = hide(run, "secret.png -k mine.key -o a.png --as picture --resize 36")["receivers"]["main"]
    run("csfnns reveal a.png -k mine.key -o back.png")
    back = read_picture(desk / "back.png")
    assert back.shape == (24, 36, 3)
    assert (told["width"], told["height"]) == (36, 24)
    assert told["psnr"] == pytest.approx(psnr(back, fit(photo, 24, 36)))
    assert told["original_psnr"] == pytest.approx(psnr(fit(back, 40, 60), photo))
    assert told["original_psnr"] < told["psnr"]


def test_a_picture_is_never_made_larger(run: Run, photo: Picture, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", side=128)
    told = hide(run, "secret.png -k mine.key -o a.png --resize 4000")["receivers"]["main"]
    assert (told["width"], told["height"]) == (60, 40)


@pytest.mark.parametrize("side", ["0", "-5"])
def test_a_picture_has_a_pixel_at_least(side: str, run: Run, photo: Picture, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", side=128)
    assert run(f"csfnns hide secret.png -k mine.key -o a.png --resize {side}").endswith("[exit 2]")


def test_a_drawing_arrives_byte_for_byte(
    transcript: Transcript, run: Run, drawing: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=128)
    told = hide(run, "drawing.png -k mine.key -o a.png")["receivers"]["main"]
    assert (told["method"], told["exact"], told["width"], told["height"]) == ("exact", True, 200, 120)
    assert told["psnr"] is told["ssim"] is told["original_psnr"] is None
    assert told["name"].startswith("drawing.")
    run("csfnns reveal a.png -k mine.key -o back.png")
    assert np.array_equal(read_picture(desk / "back.png"), drawing)
    transcript("""
        $ csfnns hide drawing.png -k mine.key -o b.png
        b.png: message 2
        main gets drawing... of 200x120, identical to the original.
        ...
        $ csfnns hide drawing.png -k mine.key -o c.png --as picture
        c.png: message 3
        main gets a picture of 200x120, ... by the trellis decoder).
        ...
    """)


def test_several_receivers_get_a_secret_each_from_one_picture(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    other = np.ascontiguousarray(photo[::-1, ::-1])
    Image.fromarray(other).save(desk / "other.png")
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 192
        ...
        $ csfnns hide bob=secret.png carol=other.png -k team.key -o holiday.png
        holiday.png: message 1
        bob gets a picture of 60x40, ... by the trellis decoder).
        carol gets a picture of 60x40, ... by the trellis decoder).
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
    assert psnr(read_picture(desk / "bob.png"), photo) > 35
    assert psnr(read_picture(desk / "carol.png"), other) > 35
    assert not (desk / "whose.png").exists()
    assert not (desk / "answer.png").exists()


def test_a_file_and_a_picture_go_in_one_cover(
    transcript: Transcript, run: Run, photo: Picture, team: None, desk: Path
) -> None:
    (desk / "note.txt").write_text("hello")
    told = hide(run, "bob=note.txt carol=secret.png -k team.key -o mixed.png")
    assert told["receivers"]["bob"] == {"method": "exact", "exact": True, "name": "note.txt", "bytes": 5}
    assert told["receivers"]["carol"]["psnr"] > 30
    transcript("""
        $ csfnns reveal mixed.png -k team.bob.key -o b.txt
        b.txt: note.txt, 5 bytes, exactly as sent, message 1 for bob
        $ csfnns reveal mixed.png -k team.carol.key -o c.png
        c.png: 60x40, message 1 for carol
        ...
    """)
    assert (desk / "b.txt").read_text() == "hello"
    assert psnr(read_picture(desk / "c.png"), photo) == pytest.approx(told["receivers"]["carol"]["psnr"])


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ("bob=secret.png secret.png", "Nobody is named to receive secret.png."),
        ("bob=secret.png bob=secret.png", "There are two secrets for bob."),
        ("dave=secret.png", "This key holds no receiver 'dave'."),
        ("secret.png", "This key has several receivers."),
    ],
)
def test_receivers_are_named_once_and_known(
    secrets: str, said: str, run: Run, photo: Picture, desk: Path
) -> None:
    seen = run(f"csfnns hide {secrets} -k team.key -o holiday.png")
    assert said in seen
    assert seen.endswith("[exit 2]")
    assert highest(desk / "team.key") == 0


def test_more_bits_than_a_cover_has_cost_no_message_number(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    transcript("""
        $ csfnns key new team.key --profile paper --receiver bob --receiver carol --size 64 --bpp 24
        ...
        $ csfnns hide bob=secret.png carol=secret.png -k team.key -o holiday.png
        error: 2 secrets of 24 bits a cover pixel are more than a cover's 24.
        hint: ...
        [exit 7]
    """)
    assert highest(desk / "team.key") == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_costs_no_message_number(
    transcript: Transcript, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", profile="robust", side=128)
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
        ("holiday.gif", ".gif keeps 256 colours only: it would destroy what is hidden."),
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


def test_a_wrong_key_a_plain_picture_and_a_ruined_one_leave_no_file(
    transcript: Transcript, run: Run, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=64)
    fixed_key("other.key", 2, side=64)
    run("csfnns hide secret.png -k mine.key -o holiday.png --as picture")
    run("csfnns cover -k mine.key -o cover.png")
    ruined = read_picture(desk / "holiday.png").astype(np.int16) + np.random.default_rng(1).integers(
        -8, 9, (64, 64, 3)
    )
    Image.fromarray(ruined.clip(0, 255).astype(np.uint8)).save(desk / "ruined.png")
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
        $ csfnns reveal ruined.png -k mine.key -o back.png
        error: The picture resembles the cover of message 1, but no secret can be read from it.
        hint: ...
        [exit 9]
    """)
    assert not (desk / "back.png").exists()


def test_a_stego_that_was_changed_on_its_way_is_warned_about(
    transcript: Transcript, run: Run, sent: Path, photo: Picture, desk: Path
) -> None:
    changed = read_picture(sent)
    changed[60, 60, 0] ^= 1
    Image.fromarray(changed).save(desk / "changed.png")
    transcript("""
        $ csfnns reveal changed.png -k mine.key -o back.png
        back.png: 60x40, message 1 for main
        warning: The stego was changed on its way: this is what is left of the picture. ...
    """)
    assert psnr(read_picture(desk / "back.png"), photo) > 20
    told = json.loads(run("csfnns reveal changed.png -k mine.key -o again.png --json"))
    assert (told["unchanged"], told["expected_psnr"]) == (False, None)


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
    transcript: Transcript, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("paper.key", profile="paper", side=64)
    transcript("""
        $ csfnns hide secret.png -k paper.key -o holiday.png --steps 1
        error: ...
        hint: Try again with more steps, a larger beta or less gamma; or prepare for less.
        [exit 10]
        $ csfnns hide secret.png -k paper.key -o holiday.png --steps 0
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
        hint: ...
        [exit 3]
        $ csfnns hide '[red]broken.png' -k mine.key -o holiday.png
        error: ...
        hint: ...
        [exit 3]
    """)
    assert highest(desk / "mine.key") == 0


def test_an_album_gives_covers_until_it_is_used_up(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    (desk / "album").mkdir()
    for n, picture in enumerate(np.random.default_rng(1).integers(60, 200, (2, 80, 90, 3))):
        Image.fromarray(picture.astype(np.uint8)).save(desk / f"album/{n}.png")
    transcript("""
        $ csfnns key new mine.key --generator folder --album album --size 64
        mine.key: ...
        ...
        album     ...
        Hand keys over...
        ...
        $ csfnns hide secret.png -k mine.key -o holiday.png
        error: This key's covers come from an album of pictures.
        hint: Name its folder: --album DIR.
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png --album album
        holiday.png: message 1
        ...
        $ csfnns reveal holiday.png -k mine.key -o back.png --album album
        back.png: 60x40, message 1 for main
        ...
        $ csfnns hide secret.png -k mine.key -o second.png --album album
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


def test_errors_are_json_too_when_that_was_asked_for(run: Run, sent: Path) -> None:
    failed, code = run("csfnns reveal secret.png -k mine.key -o back.png --json").splitlines()
    assert code == "[exit 8]"
    assert set(json.loads(failed)["error"]) == {"kind", "message", "hint", "exit_code"}
    assert json.loads(failed)["error"]["exit_code"] == 8
    failed, code = run("csfnns reveal secret.png --json --fancy").splitlines()
    assert code == "[exit 2]"
    assert "--fancy" in json.loads(failed)["error"]["message"]


def test_the_dial_goes_from_invisible_to_faithful(run: Run, photo: Picture, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", side=192)
    figures = []
    for i, dial in enumerate(("--invisible", "", "--balance 0.5", "--faithful")):
        told = hide(run, f"secret.png -k mine.key -o {i}.png --as picture {dial}")
        figures.append((told["stego"]["psnr"], told["receivers"]["main"]["psnr"]))
    stego, recovered = zip(*figures, strict=True)
    assert list(stego) == sorted(stego, reverse=True)
    assert recovered == pytest.approx((34, 38, 40, 42), abs=0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--faithful --balance 0.2", "--faithful, --invisible and --balance are one dial."),
        ("--faithful --target-stego 40", "A target and a balance do not go together."),
        ("--balance 3", "balance must be in -1…1, got 3.0."),
        ("--target-stego 10", "A target must be a PSNR in 20…90 dB."),
        ("--grain --faithful", "A target and a balance need a .png or .webp, without --grain."),
        ("--steps 5", "--steps only works with a key of profile robust or paper."),
        ("--beta 5", "--beta only works with a key of profile robust or paper."),
        ("--texture 1", "No such option"),
    ],
)
def test_wishes_that_do_not_fit_together_cost_no_message_number(
    options: str, said: str, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new mine.key --size 64")
    seen = run(f"csfnns hide secret.png -k mine.key -o a.png {options}")
    assert said in seen
    assert seen.endswith("[exit 2]")
    assert highest(desk / "mine.key") == 0
    assert not (desk / "a.png").exists()


@pytest.fixture
def target(run: Run, desk: Path, scene: Callable[..., Picture], fixed_key: FixedKey) -> Callable[[str], Any]:
    """Hide one picture in one cover, with options."""
    fixed_key("mine.key", side=192)
    Image.fromarray(scene(80, 60, 3)).save(desk / "scene.png")
    return lambda options: hide(run, f"scene.png -k mine.key -o a.png {options}")


def test_the_picture_arrives_as_clear_as_the_target_says(target: Callable[[str], Any]) -> None:
    told = target("--target-recovered 36")["receivers"]["main"]
    assert told["psnr"] == pytest.approx(36, abs=0.1)
    assert told["method"] == "trellis"


def test_both_targets_are_met(target: Callable[[str], Any]) -> None:
    told = target("--target-recovered 36 --target-stego 62")
    assert told["receivers"]["main"]["psnr"] > 36 - 0.1
    assert told["stego"]["psnr"] > 62 - 0.1


def test_the_stego_is_as_near_as_the_target_says(target: Callable[[str], Any]) -> None:
    assert target("--target-stego 61")["stego"]["psnr"] == pytest.approx(61, abs=0.1)


def test_targets_that_cannot_both_be_are_refused(target: Callable[[str], Any], run: Run, desk: Path) -> None:
    target("--target-recovered 36")
    seen = run("csfnns hide scene.png -k mine.key -o b.png --target-recovered 45 --target-stego 70")
    assert "error: The target cannot be met: the closest is " in seen
    assert "hint: Ask for less, scale the secret down with --resize, " in seen
    assert seen.endswith("[exit 10]")
    assert not (desk / "b.png").exists()
