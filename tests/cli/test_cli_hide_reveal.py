"""Pictures, files and text, hidden and revealed on the command line."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare, psnr
from csfnns.stream import Seed

Transcript = Callable[[str], None]
Run = Callable[..., str]
Ask = Callable[[str], Any]
FixedKey = Callable[..., None]

READY = "Send it as a file or document: chat apps recompress pictures."


@pytest.fixture
def key(fixed_key: FixedKey) -> None:
    """mine.key for covers of 128x128."""
    fixed_key("mine.key", side=128)


@pytest.fixture
def sent(run: Run, photo: Picture, desk: Path, key: None) -> Path:
    """mine.key, and holiday.png with secret.png hidden in it."""
    run("csfnns hide secret.png -k mine.key -o holiday.png")
    return desk / "holiday.png"


@pytest.fixture
def team(run: Run) -> None:
    """team.key for bob and carol."""
    run("csfnns key new team.key --receiver bob --receiver carol --size 128")


@pytest.fixture
def report(desk: Path) -> bytes:
    """report.pdf, which nothing compresses."""
    content = Seed(bytes(32)).stream().take(700)
    (desk / "report.pdf").write_bytes(content)
    return content


def jpeg(name: str, to: str, quality: int = 95) -> None:
    Image.fromarray(read_picture(name)).save(to, "JPEG", quality=quality)


def test_a_picture_is_hidden_and_revealed(transcript: Transcript, photo: Picture, key: None, desk: Path) -> None:
    (desk / "inbox").mkdir()
    transcript(f"""
        $ csfnns hide secret.png -k mine.key -o holiday.png
        holiday.png is ready: a 60x40 picture is inside and arrives clear.
        {READY}
        $ csfnns reveal holiday.png -k mine.key -o back.png
        Revealed back.png: a 60x40 picture, clear, sent on ... at ...:....
        $ csfnns hide secret.png -k mine.key -o quiet.webp -q --set dated=no
        $ csfnns reveal quiet.webp -k mine.key -o inbox
        Revealed inbox/secret.png: a 60x40 picture, clear.
        $ csfnns reveal quiet.webp -k mine.key -o again.png -q
    """)
    assert 37.5 < psnr(read_picture(desk / "back.png"), photo) < 38.5
    assert {file.suffix for file in desk.iterdir() if file.is_file()} == {".png", ".webp", ".key"}


def test_figures_are_shown_when_they_are_asked_for(transcript: Transcript, photo: Picture, key: None) -> None:
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png -v
        holiday.png is ready: ...
        ...
                                   PSNR     SSIM   largest change   levels changed
         ...
          stego against cover ...dB ... 1 of 255 ...%
          receiver against secret 3...dB ...of 255 ...%
        Message ...-...-..., method trellis; the difference is invisible.
        $ csfnns reveal holiday.png -k mine.key -o back.png -v
        Revealed back.png: ...
        Message ...-...-... for the receiver.
        Expected PSNR 3... dB.
    """)


def test_what_json_says_is_what_the_receiver_finds(ask: Ask, sent: Path, photo: Picture, desk: Path) -> None:
    hidden = ask("csfnns hide secret.png -k mine.key -o second.png")
    revealed = ask("csfnns reveal second.png -k mine.key -o back.png")
    figures = compare(read_picture(desk / "back.png"), photo)
    assert (hidden["file"], hidden["method"], hidden["survives"]) == ("second.png", "trellis", {})
    assert set(hidden["stego"]) == {"psnr", "ssim", "max_abs", "changed"}
    assert hidden["receivers"]["receiver"] == {
        "kind": "picture",
        "form": "trellis",
        "exact": False,
        "width": 60,
        "height": 40,
        "psnr": pytest.approx(figures.psnr),
        "ssim": pytest.approx(figures.ssim),
        "max_abs": figures.max_abs,
        "changed": figures.changed,
        "original_psnr": pytest.approx(figures.psnr),
    }
    assert revealed.pop("sent").endswith("+00:00")
    assert revealed == {
        "picture": "second.png",
        "file": "back.png",
        "kind": "picture",
        "message": hidden["message"],
        "name": "secret.png",
        "receiver": "receiver",
        "author": None,
        "width": 60,
        "height": 40,
        "unchanged": True,
        "expected_psnr": pytest.approx(figures.psnr, abs=0.13),
        "denoised": False,
    }


def test_a_picture_is_as_large_as_the_sender_says(ask: Ask, run: Run, photo: Picture, key: None, desk: Path) -> None:
    said = ask("csfnns hide secret.png -k mine.key -o a.png --method trellis --resize 36")["receivers"]["receiver"]
    run("csfnns reveal a.png -k mine.key -o back.png")
    back = read_picture(desk / "back.png")
    assert (said["width"], said["height"], back.shape) == (36, 24, (24, 36, 3))
    assert said["original_psnr"] == pytest.approx(psnr(fit(back, 40, 60), photo))
    assert said["original_psnr"] < said["psnr"]
    assert ask("csfnns hide secret.png -k mine.key -o b.png --resize 4000")["receivers"]["receiver"]["width"] == 60


def test_a_drawing_arrives_identical(transcript: Transcript, run: Run, drawing: Picture, key: None, desk: Path) -> None:
    transcript(f"""
        $ csfnns hide drawing.png -k mine.key -o a.png
        a.png is ready: a 200x120 picture is inside and arrives identical.
        {READY}
    """)
    run("csfnns reveal a.png -k mine.key -o back.png")
    assert np.array_equal(read_picture(desk / "back.png"), drawing)


def test_a_picture_that_arrives_poorly_is_better_sent_smaller(
    transcript: Transcript, scene: Callable[..., Picture], fixed_key: FixedKey
) -> None:
    fixed_key("small.key", side=64)
    Image.fromarray(scene(300, 400, 1)).save("large.png")
    transcript(f"""
        $ csfnns hide large.png -k small.key -o a.png
        a.png is ready: a ...x... picture is inside and arrives in ... quality.
        {READY}
        A smaller picture arrives clearer: --resize PIXELS.
    """)


def test_a_file_is_hidden_and_revealed(transcript: Transcript, report: bytes, key: None, desk: Path) -> None:
    (desk / "inbox").mkdir()
    transcript(f"""
        $ csfnns hide report.pdf -k mine.key -o holiday.png
        holiday.png is ready: report.pdf (700 bytes) is inside and arrives unchanged.
        {READY}
        $ csfnns reveal holiday.png -k mine.key -o inbox
        Revealed inbox/report.pdf: 700 bytes, exactly as sent on ....
        $ csfnns reveal holiday.png -k mine.key -o inbox --force
        error: inbox/report.pdf already exists.
        hint: Name another file or folder: -o FILE.
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key
        error: report.pdf already exists.
        hint: Name another file or folder: -o FILE.
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o other.name
        Revealed other.name: ...
        $ csfnns reveal holiday.png -k mine.key -o other.name
        error: other.name already exists.
        hint: Choose another name, or allow overwriting: --force.
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o other.name -f
        Revealed other.name: ...
        $ csfnns reveal holiday.png -k mine.key -o nowhere/
        error: There is no folder nowhere/.
        ...
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o holiday.png --force
        error: holiday.png is one of the inputs.
        ...
        [exit 3]
    """)
    assert (desk / "inbox/report.pdf").read_bytes() == (desk / "other.name").read_bytes() == report


def test_a_name_from_a_message_is_only_a_name(run: Run, key: None, desk: Path) -> None:
    (desk / "inbox").mkdir()
    (desk / "inbox/-rf.txt").write_text("hello")
    run("csfnns hide inbox/-rf.txt -k mine.key -o a.png")
    assert run("csfnns reveal a.png -k mine.key").startswith("Revealed rf.txt: 5 bytes, exactly as sent")
    assert Path("rf.txt").read_text() == "hello"


def test_a_file_that_could_run_does_not_arrive_as_one(transcript: Transcript, key: None, desk: Path) -> None:
    (desk / "photo.jpg.desktop").write_text("[Desktop Entry]")
    transcript("""
        $ csfnns hide photo.jpg.desktop -k mine.key -o a.png -q
        $ csfnns reveal a.png -k mine.key
        Revealed photo.jpg.desktop.bin: 15 bytes, exactly as sent on ....
        Its sender named it photo.jpg.desktop: some systems would run a file of that name.
        $ csfnns reveal a.png -k mine.key -o my.desktop
        Revealed my.desktop: 15 bytes, exactly as sent on ....
    """)
    assert not any(os.access(desk / name, os.X_OK) for name in ("photo.jpg.desktop.bin", "my.desktop"))


WRITERS = (
    "csfnns hide report.pdf -k mine.key -o {}",
    "csfnns reveal holiday.png -k mine.key -o {}",
    "csfnns cover -k mine.key -o {}",
    "csfnns cover --decoy -k mine.key -o {}",
    "csfnns grain secret.png -o {}",
    "csfnns measure secret.png secret.png --residual {}",
)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_force_replaces_no_key_no_link_and_nothing_special(run: Run, report: bytes, key: None, desk: Path) -> None:
    run("csfnns hide report.pdf -k mine.key -o holiday.png -q")
    (desk / "key.png").write_bytes((desk / "mine.key").read_bytes())
    (desk / "link.png").symlink_to("secret.png")
    os.mkfifo(desk / "pipe.png")
    kept = {"key.png": "a key file", "link.png": "a symbolic link", "pipe.png": "not a regular file"}
    before = {name: os.lstat(desk / name) for name in kept}
    for writer in WRITERS:
        for name, what in kept.items():
            assert f"error: {name} is {what}.\n" in run(f"{writer.format(name)} --force")
    assert {name: os.lstat(desk / name).st_ino for name in kept} == {n: each.st_ino for n, each in before.items()}
    assert "error: /dev/stdout is a symbolic link.\n" in run("csfnns reveal holiday.png -k mine.key -o /dev/stdout -f")
    assert "error: /dev/null is not a regular file.\n" in run("csfnns reveal holiday.png -k mine.key -o /dev/null -f")


def test_force_replaces_nothing_that_the_command_reads(run: Run, report: bytes, key: None, desk: Path) -> None:
    words = desk / "words.png"
    words.write_text("seven quiet otters juggle copper lanterns at dawn")
    os.link(words, desk / "other.png")
    by_words = "--passphrase-file words.png --size 64 --force"
    for command in ("hide report.pdf", "cover", "cover --decoy", "reveal secret.png"):
        for name in ("words.png", "other.png", f"../{desk.name}/words.png"):
            assert f"error: {name} is one of the inputs.\n" in run(f"csfnns {command} {by_words} -o {name}")
    assert words.read_text().startswith("seven quiet otters")


def test_text_is_shown(transcript: Transcript, ask: Ask, key: None, desk: Path) -> None:
    transcript(f"""
        $ csfnns hide --text "See you [at] noon" -k mine.key -o a.png --set dated=no
        a.png is ready: a text (17 bytes) is inside and arrives unchanged.
        {READY}
        $ csfnns reveal a.png -k mine.key
        Revealed a text, exactly as sent.
        See you [at] noon
        $ csfnns reveal a.png -k mine.key -q
        See you [at] noon
        $ csfnns reveal a.png -k mine.key -o note.txt -q
    """)
    assert (desk / "note.txt").read_bytes() == b"See you [at] noon"
    found = ask("csfnns reveal a.png -k mine.key")
    assert (found["text"], found["file"], found["kind"]) == ("See you [at] noon", None, "text")


def test_several_receivers_get_a_secret_each_from_one_picture(
    transcript: Transcript, ask: Ask, photo: Picture, report: bytes, team: None, desk: Path
) -> None:
    transcript(f"""
        $ csfnns hide bob=report.pdf carol=secret.png -k team.key -o holiday.png
        holiday.png is ready: bob gets report.pdf (700 bytes), unchanged; carol gets a 60x40 picture, clear.
        {READY}
        $ csfnns reveal holiday.png -k team.bob.key -o b.pdf
        Revealed b.pdf: 700 bytes, exactly as sent on ...
        $ csfnns reveal holiday.png -k team.key --receiver carol -o c.png
        Revealed c.png: a 60x40 picture, ..., sent on ...
        $ csfnns reveal holiday.png -k team.bob.key --receiver carol -o whose.png
        error: This message is not for 'carol'.
        hint: With this key, it can be read as: bob.
        [exit 2]
        $ csfnns hide --text "Got it" -k team.bob.key -o answer.png -q --set dated=no
        $ csfnns reveal answer.png -k team.key
        Revealed a text, exactly as sent by bob.
        Got it
        $ csfnns hide --text "To you alone" carol -k team.key -o alone.png -q
        $ csfnns reveal alone.png -k team.bob.key
        error: ...
        hint: ...
        [exit 8]
    """)
    assert (desk / "b.pdf").read_bytes() == report
    assert psnr(read_picture(desk / "c.png"), photo) > 35
    assert not (desk / "whose.png").exists()
    assert ask("csfnns reveal alone.png -k team.carol.key")["text"] == "To you alone"


def test_many_pictures_are_revealed_into_a_folder(
    transcript: Transcript, run: Run, photo: Picture, report: bytes, key: None, desk: Path
) -> None:
    run("csfnns hide report.pdf -k mine.key -o a.png")
    run("csfnns hide --text Hello -k mine.key -o c.png")
    (desk / "inbox").mkdir()
    (desk / "no.png").write_text("no picture")
    transcript("""
        $ csfnns reveal a.png secret.png no.png c.png -k mine.key -o inbox
        Revealed inbox/report.pdf: ...
        error: secret.png: This picture is not for this key, ...
        hint: ...
        error: no.png: no.png is not a picture that csfnns can read.
        hint: ...
        Revealed inbox/message-....txt: a text, exactly as sent on ...
        [exit 8]
        $ csfnns reveal a.png c.png -k mine.key -o one.pdf
        error: There is no folder one.pdf.
        hint: Make it first: several pictures, and names that end in /, need one.
        [exit 3]
    """)
    failed, found = run("csfnns reveal secret.png c.png -k mine.key --json").splitlines()[:2]
    assert '"picture": "secret.png"' in failed
    assert '"exit_code": 8' in failed
    assert '"picture": "c.png"' in found


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("secret.png", 2, "There is no file to write."),
        ("-o a.png", 2, "There is nothing to hide."),
        ("report.pdf --text x -o a.png", 2, "This key cannot hide for 'report.pdf'."),
        ("bob=report.pdf -o a.png", 2, "This key cannot hide for 'bob'."),
        ("report.pdf secret.png -o a.png", 2, "It is not clear who gets what."),
        ("receiver=report.pdf receiver=report.pdf -o a.png", 2, "There are two secrets for receiver."),
        ("report.pdf -o a.png --resize 100", 2, "resize is for pictures, and the secret is a file."),
        ("secret.png -o a.png --resize 0", 2, "resize must be at least 1 pixel, got 0."),
        ("report.pdf -o a.png --survive jpeg:90", 2, ""),
        ("report.pdf -o a.png --method trellis", 2, "The method 'trellis' carries pictures"),
        ("report.pdf -o a.png --method magic", 2, "There is no method 'magic'."),
        ("report.pdf -o a.png --method jpeg", 2, "The method 'jpeg' writes a .jpg, not a .png."),
        ("report.pdf -o a.png --set quality=80", 2, "The method 'jpeg' writes a .jpg, not a .png."),
        ("report.pdf -o a.jpg --set quality=0", 2, "The JPEG quality must be in 1…100, got 0."),
        ("secret.png -o a.png --set steps=5", 2, "The method 'trellis' has no setting 'steps'."),
        ("secret.png -o a.png --set recovered=much", 2, "recovered must be a number, got 'much'."),
        ("secret.png -o a.png --set recovered", 2, "--set needs NAME=VALUE, got 'recovered'."),
        (
            "secret.png -o a.png --method grain --set recovered=40",
            2,
            "The method 'grain' has no setting 'recovered'.",
        ),
        ("secret.png -o a.jpg --method grain", 3, ".jpg is a lossy format: it would destroy what is hidden."),
        ("missing.pdf -o a.png", 3, "There is no file missing.pdf."),
        (". -o a.png", 3, ". is not a regular file."),
        ("'[red].png' -o a.png", 3, "There is no file [red].png."),
        ("broken.png -o a.png", 3, ""),
        ("report.pdf -o a.gif", 3, ".gif keeps 256 colours only: it would destroy what is hidden."),
        ("report.pdf -o a", 3, "a names no picture format."),
        ("report.pdf -o nowhere/a.png", 3, "There is no folder nowhere."),
        ("secret.png -o secret.png --force", 3, "secret.png is one of the inputs."),
        ("report.pdf -o taken.png", 3, "taken.png already exists."),
        ("large.bin -o a.png", 7, ""),
        ("secret.png -o a.png --set recovered=60 --set stego=75", 10, ""),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    words: str,
    code: int,
    said: str,
    transcript: Transcript,
    report: bytes,
    photo: Picture,
    key: None,
    desk: Path,
) -> None:
    (desk / "large.bin").write_bytes(Seed(bytes(32)).stream().take(20000))
    (desk / "broken.png").write_text("not a picture")
    (desk / "taken.png").write_text("precious")
    before = (desk / "secret.png").read_bytes()
    transcript(f"""
        $ csfnns hide {words} -k mine.key
        error: {said}...
        hint: ...
        [exit {code}]
    """)
    assert not list(desk.glob("a.*")) + list(desk.glob("a"))
    assert (desk / "secret.png").read_bytes() == before
    assert (desk / "taken.png").read_text() == "precious"


def test_names_that_look_like_something_else(
    transcript: Transcript, photo: Picture, key: None, team: None, desk: Path
) -> None:
    for name in ("bob=me.png", "-x.png"):
        (desk / name).write_bytes((desk / "secret.png").read_bytes())
    transcript("""
        $ csfnns hide bob=me.png -k mine.key -o a.png
        error: This key cannot hide for 'bob'.
        hint: It hides for: receiver. To hide the file bob=me.png, write ./bob=me.png.
        [exit 2]
        $ csfnns hide ./bob=me.png -k mine.key -o a.png -q
        $ csfnns hide -x.png -k mine.key -o b.png
        error: No such option...
        hint: For the file -x.png, write ./-x.png, or -- before it. ...
        [exit 2]
        $ csfnns hide -k mine.key -o b.png -q -- -x.png
        $ csfnns hide secret.png -k team.key -o c.png
        error: It is not clear who gets what.
        hint: Write NAME=FILE for each receiver. This key hides for: bob, carol.
        [exit 2]
    """)


def test_a_wrong_key_and_a_changed_picture_are_told_apart_and_leave_no_file(
    transcript: Transcript, photo: Picture, report: bytes, fixed_key: FixedKey, run: Run, desk: Path
) -> None:
    fixed_key("mine.key", side=64)
    fixed_key("other.key", 2, side=64)
    run("csfnns hide report.pdf -k mine.key -o holiday.png")
    picture = read_picture("holiday.png")
    picture[40, ::16, 0] ^= 1
    Image.fromarray(picture).save("changed.png")
    jpeg("holiday.png", "posted.jpg")
    run("csfnns cover -k mine.key -o cover.png")
    transcript("""
        $ csfnns reveal holiday.png -k other.key -o back
        error: This picture is not for this key, or was changed on its way.
        hint: ...
        [exit 8]
        $ csfnns reveal posted.jpg -k mine.key -o back
        error: This picture is not for this key, or was recompressed as a JPEG on its way.
        hint: ...sent as a file or document...--profile robust...
        [exit 8]
        $ csfnns reveal secret.png -k mine.key -o back
        error: ...60x40 pixels, and this key's pictures have 64x64.
        hint: ...
        [exit 8]
        $ csfnns reveal cover.png -k mine.key -o back
        error: ...
        hint: ...
        [exit 8]
    """)
    assert run("csfnns reveal changed.png -k mine.key -o back").endswith(("[exit 8]", "[exit 9]"))
    assert not (desk / "back").exists()


def test_a_picture_that_was_changed_still_comes_with_a_warning(run: Run, ask: Ask, sent: Path) -> None:
    picture = read_picture(sent)
    picture[3, 5, 0] ^= 1
    Image.fromarray(picture).save("changed.png")
    seen = run("csfnns reveal changed.png -k mine.key -o back.png")
    assert "warning: The picture was changed on its way: this is what is left of the secret." in seen
    found = ask("csfnns reveal changed.png -k mine.key -o again.png")
    assert (found["unchanged"], found["expected_psnr"]) == (False, None)


def test_a_picture_is_converted_if_its_new_name_says_so(run: Run, ask: Ask, photo: Picture, key: None) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=60)
    Path("photo.jpg").write_bytes(buffer.getvalue())
    run("csfnns hide photo.jpg -k mine.key -o a.png --method direct")
    seen = run("csfnns reveal a.png -k mine.key -o back.png")
    assert seen.startswith("Revealed back.png: a 60x40 picture, converted from JPG, sent on")
    with Image.open("back.png") as image:
        assert image.format == "PNG"
    run("csfnns reveal a.png -k mine.key -o back.jpg")
    assert Path("back.jpg").read_bytes() == buffer.getvalue()


def test_methods_are_chosen_by_name_and_setting(ask: Ask, photo: Picture, report: bytes, key: None) -> None:
    for options, out, method, form in (
        ("--method direct", "a.png", "direct", "exact"),
        ("--method grain", "b.png", "grain", "exact"),
        ("--set recovered=34", "c.png", "trellis", "trellis"),
        ("--set quality=95", "d.jpg", "jpeg", "avif"),
    ):
        said = ask(f"csfnns hide secret.png -k mine.key -o {out} {options}")
        found = said["receivers"]["receiver"]
        assert (said["method"], found["form"]) == (method, form)
        if method == "trellis":
            assert found["psnr"] == pytest.approx(34, abs=0.2)
        assert "[exit" not in str(ask(f"csfnns reveal {out} -k mine.key -o {out}.back.png"))


def test_a_file_survives_with_a_robust_key(
    transcript: Transcript, ask: Ask, run: Run, fixed_key: FixedKey, desk: Path
) -> None:
    fixed_key("phone.key", profile="robust", side=192)
    (desk / "note.bin").write_bytes(Seed(bytes(32)).stream().take(40))
    transcript("""
        $ csfnns hide note.bin -k phone.key -o holiday.png --survive jpeg:80-90/420
        holiday.png is ready: note.bin (40 bytes) is inside and arrives unchanged.
        It survives jpeg:80/420, jpeg:90/420: it was read back after each.
        $ csfnns hide note.bin -k phone.key -o a.png --survive blur:3
        error: ...
        hint: ...
        [exit 2]
        $ csfnns hide note.bin -k phone.key -o a.jpg
        error: ...
        hint: ...
        [exit 3]
    """)
    jpeg("holiday.png", "posted.jpg", 85)
    run("csfnns reveal posted.jpg -k phone.key -o back.bin")
    assert (desk / "back.bin").read_bytes() == (desk / "note.bin").read_bytes()
    assert not list(desk.glob("a.*"))
    direct = ask("csfnns hide note.bin -k phone.key -o exact.png --method direct")
    assert (direct["method"], direct["survives"]) == ("direct", {})


def test_a_network_is_searched_and_evaded(run: Run, ask: Ask, photo: Picture, fixed_key: FixedKey) -> None:
    fixed_key("paper.key", profile="paper", side=64)
    said = ask("csfnns hide secret.png -k paper.key -o a.png --set steps=40 --set evade=xunet")
    assert (said["method"], said["receivers"]["receiver"]["form"]) == ("paper", "network")
    assert "[exit" not in run("csfnns reveal a.png -k paper.key -o back.png --no-denoise")
    for settings, code in (
        ("steps=1", 10),
        ("steps=0", 2),
        ("gamma=1", 2),
        ("evade=eyes", 2),
        ("device=tpu", 2),
    ):
        seen = run(f"csfnns hide secret.png -k paper.key -o b.png --set {settings}")
        assert seen.endswith(f"[exit {code}]"), settings
        assert "\nhint: " in seen
    assert not Path("b.png").exists()


def test_an_album_gives_covers_until_it_is_used_up(
    transcript: Transcript, run: Run, photo: Picture, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk / "album").mkdir()
    for n, picture in enumerate(np.random.default_rng(1).integers(60, 200, (3, 80, 90, 3))):
        Image.fromarray(picture.astype(np.uint8)).save(desk / f"album/{n}.png")
    transcript("""
        $ csfnns key new mine.key --album album --size 64
        ...
        $ csfnns hide secret.png -k mine.key -o holiday.png
        error: ...
        hint: ...
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png --covers album
        ...
        $ csfnns reveal holiday.png -k mine.key -o back.png --covers album
        Revealed back.png: ...
    """)
    monkeypatch.setenv("CSFNNS_COVERS", "album")
    assert "[exit" not in run("csfnns hide secret.png -k mine.key -o second.png")
    assert run("csfnns hide secret.png -k mine.key -o third.png").endswith("[exit 6]")
    run("csfnns key new plain.key --size 64")
    assert "[exit" not in run("csfnns cover -k plain.key")


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_of_files_cannot_control_the_terminal(desk: Path, run: Run, fixed_key: Callable[..., None]) -> None:
    fixed_key("mine.key", side=128)
    (desk / "in").mkdir()
    name = "a\x1b[2J\u202eb\nerror: c.png"
    (desk / "in" / name).write_bytes(b"no picture")
    (desk / "text").write_text("text")
    os.rename("text", b"a\xff.txt")
    shown = {
        "reveal in -k mine.key": "a?[2J?b?error: c.png: ",
        "hide a\udcff.txt -k mine.key -o \udcff.png": "?.png is ready: a.txt (4 bytes)",
        "reveal \udcff.png -k mine.key -o \udcfe.txt": "Revealed ?.txt: ",
    }
    for command, words in shown.items():
        seen = run(f"csfnns {command}")
        assert words in seen
        assert seen.replace("\n", "").isprintable()
