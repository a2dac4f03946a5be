"""The public package: its names, and what is done without a message: capacities, covers, decoys, grain, shares."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import csfnns
from csfnns import Direct, Jpeg, Key, Trellis, capacity, check_cover, hide, make_decoy, make_profile, reveal
from csfnns.coding.distributions import grain_classes, grain_distributions
from csfnns.covers import AlbumRegister, FolderCovers, make_generator
from csfnns.errors import CapacityError, CoverError, CsfnnsError, PictureError, UsageError
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.images.output import write_picture
from csfnns.messages.send import NO_NONCE
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
MEDIUM = make_profile(width=96, height=96)
NAME = "a name of 24 letters.pdf"
Scene = Callable[..., Picture]


@pytest.fixture
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


def noise(n: int) -> bytes:
    """Bytes that nothing compresses."""
    return ROOT.derive("test/api").stream().take(n)


# Names


def test_every_public_name_is_there_and_listed() -> None:
    assert csfnns.__all__ == sorted(csfnns.__all__)
    for name in csfnns.__all__:
        assert getattr(csfnns, name).__doc__
        assert name in dir(csfnns)
    for name in ("hide", "reveal", "Key", "Hidden", "Revealed", "Trellis", "CapacityError", "text"):
        assert name in csfnns.__all__
    with pytest.raises(AttributeError, match="no attribute 'Ledger'"):
        _ = csfnns.Ledger
    assert csfnns.__version__.count(".") == 2


def test_type_checkers_see_the_same_names() -> None:
    source = inspect.getsource(csfnns)
    listed = {line.split()[-1] for line in source.splitlines() if line.startswith("    from csfnns")}
    assert listed == set(csfnns.__all__)


def test_every_error_is_public_and_has_an_exit_code_of_its_own() -> None:
    def below(error: type[CsfnnsError]) -> list[type[CsfnnsError]]:
        return [error, *(each for sub in error.__subclasses__() for each in below(sub))]

    errors = [each for each in below(CsfnnsError) if each.__module__ == "csfnns.errors"]
    assert {each.__name__ for each in errors} <= set(csfnns.__all__)
    codes = [each.exit_code for each in errors if each.__name__ != "WeakPassphraseError"]
    assert len(set(codes)) == len(codes)


def test_public_functions_are_small_and_return_public_types() -> None:
    builtin = {"None", "bool", "float", "int", "str", "dict", "list", "Path", "Picture"}
    for name in csfnns.__all__:
        function = getattr(csfnns, name)
        if not inspect.isfunction(function):
            continue
        signature = inspect.signature(function)
        assert len(signature.parameters) <= 12
        returned = signature.return_annotation
        text = returned if isinstance(returned, str) else getattr(returned, "__name__", str(returned))
        if text.isidentifier():
            assert text in {*builtin, *csfnns.__all__, "ndarray"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = (
        "import csfnns, sys; dir(csfnns); print([m for m in ('numpy', 'torch', 'PIL', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_hiding_and_revealing_load_neither_torch_nor_scipy() -> None:
    program = (
        "import csfnns, numpy, sys; key = csfnns.Key.new(csfnns.make_profile(width=64, height=64));"
        "csfnns.reveal(csfnns.hide(numpy.zeros((9, 9, 3), 'uint8'), key), key);"
        "csfnns.reveal(csfnns.hide(b'x', key), key);"
        "print([m for m in ('torch', 'scipy', 'diffusers', 'matplotlib', 'typer') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


# Capacity


@pytest.mark.parametrize("method", ["direct", "grain"])
def test_what_capacity_reports_fits(method: str, key: Key) -> None:
    """Beside the address, in covers of other messages too."""
    found = capacity(key, (60, 55), method=method)
    full = hide(noise(found.most), key, name=NAME, method=method)
    assert reveal(full, key).content == noise(found.most)
    if method == "direct":
        assert found.at[60] < found.at[55] < found.most
        for level, size in found.at.items():
            assert hide(noise(size), key, name=NAME).stego.psnr > level - 0.8


def test_what_one_cover_does_not_hold_goes_into_another(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def black_first(*arguments: Any) -> Any:
        generator = make_generator(*arguments)

        def make(seed: Seed) -> Any:
            made.append(generator(seed))
            return made[-1] if len(made) % 2 == 0 else 0 * made[-1]

        return make

    monkeypatch.setattr("csfnns.messages.send.make_generator", black_first)
    size = int(0.97 * capacity(key, ()).most)
    hidden = hide(noise(size), key, name=NAME, method="direct")
    assert len(made) == 2
    assert reveal(hidden, key).content == noise(size)
    with pytest.raises(CapacityError):
        hide(noise(int(1.2 * size)), key, name=NAME, method="direct")
    assert len(made) == 4


def test_what_capacity_reports_of_a_jpeg_fits() -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    key = Key.from_root(make_profile(width=128, height=128), ROOT)
    found = capacity(key, (38, 42), method=Jpeg(95))
    full = hide(noise(found.at[38]), key, method=Jpeg(95), name=NAME)
    assert reveal(full, key).content == noise(found.at[38])
    assert full.stego.psnr > 36
    assert found.at[42] < found.at[38] < found.most
    assert capacity(key, (38,), method="jpeg").most < found.most


@pytest.mark.parametrize("method", ["trellis", Trellis(recovered=30)])
def test_capacity_is_of_methods_for_bytes(method: Any, key: Key) -> None:
    with pytest.raises(UsageError, match="method must be direct, grain or jpeg, got 'trellis'"):
        capacity(key, method=method)


def test_receivers_have_the_capacity_of_the_sender() -> None:
    team = Key.from_root(SMALL, ROOT, ["ann"])
    assert capacity(team.for_receiver("ann")) == capacity(team)


def test_larger_photographs_arrive_less_clear(key: Key) -> None:
    sizes = [(16, 16), (48, 36), (96, 72), (192, 144), (400, 300)]
    found = csfnns.capacity_pictures(Key.from_root(MEDIUM, ROOT), sizes)
    values = [found[size] for size in sizes]
    assert values[0] == 38
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[-2] < 36
    assert csfnns.capacity_pictures(Key.from_root(make_profile(), ROOT), sizes)[400, 300] > values[-1] + 4
    with pytest.raises(UsageError, match="'paper' sends pictures of one size"):
        csfnns.capacity_pictures(Key.from_root(make_profile("paper"), ROOT), sizes)


# Covers


def test_all_who_have_a_key_see_the_same_check_cover(key: Key) -> None:
    team = Key.from_root(SMALL, ROOT, ["ann", "bob"])
    covers = [check_cover(each) for each in (team, team.for_receiver("ann"), team.for_receiver("bob"))]
    assert len({each.fingerprint for each in covers}) == 1
    assert covers[0].fingerprint.count("-") == 3
    assert all(np.array_equal(each.picture, covers[0].picture) for each in covers)
    assert check_cover(key).fingerprint != covers[0].fingerprint
    expected = make_generator(SMALL)(key.check_link.cover_seed(NO_NONCE))
    assert np.array_equal(check_cover(key).picture, expected)


def test_the_cover_of_a_stego_is_made_again(key: Key) -> None:
    sent = hide(b"x", key)
    cover = csfnns.cover_of(sent, key)
    assert psnr(cover, sent.picture) == sent.stego.psnr
    assert np.mean(cover != sent.picture) == sent.stego.changed
    with pytest.raises(csfnns.NoMessageError):
        csfnns.cover_of(cover, key)


# Grain


def follows_grain(stego: Picture, cover: Picture) -> bool:
    """χ² of each class's histogram: of 5 % of what has the distribution of grain, none of what is far from it."""
    delta, classes = stego.astype(int) - cover, grain_classes(cover)
    statistic, degrees = 0.0, 0
    for i, distribution in enumerate(grain_distributions(Fraction(1))):
        found = np.bincount((delta[classes == i] + 3).clip(0, 6), minlength=7)
        expected = np.diff(distribution) / distribution[-1] * found.sum()
        if (found[expected == 0] > 0).any():
            return False
        likely = expected > 5
        statistic += ((found - expected)[likely] ** 2 / expected[likely]).sum()
        degrees += max(int(likely.sum()) - 1, 0)
    return bool(statistic < degrees + 4 * (2 * degrees) ** 0.5)


def test_decoys_and_messages_in_grain_have_one_distribution(scene: Scene, tmp_path: Path) -> None:
    """A file of any length, a picture exactly and one as AVIF; nothing else has it."""
    key = Key.from_root(MEDIUM, ROOT)
    decoy = make_decoy(key, out=tmp_path / "decoy.png")
    secrets: list[Any] = [b"x", noise(2000), scene(40, 40), scene(90, 120)]
    sent = [hide(each, key, method="grain") for each in secrets]
    assert [each.receivers["receiver"].form for each in sent] == ["exact", "exact", "exact", "avif"]
    for each in (decoy, *sent):
        assert follows_grain(each.picture, csfnns.cover_of(each.picture, key))
    for each in sent:
        assert each.stego.psnr == pytest.approx(48.15, abs=0.25)
    for other in (hide(scene(60, 60), key), hide(b"x", key)):
        assert not follows_grain(other.picture, csfnns.cover_of(other, key))
    assert np.array_equal(read_picture(tmp_path / "decoy.png"), decoy.picture)


def test_any_picture_gets_fresh_grain(scene: Scene) -> None:
    own = scene(96, 96)
    assert follows_grain(csfnns.add_grain(own), own)
    assert not np.array_equal(csfnns.add_grain(own), csfnns.add_grain(own))
    with pytest.raises(PictureError):
        csfnns.add_grain("missing.png")


def test_grain_that_was_changed_is_damage() -> None:
    key = Key.from_root(MEDIUM, ROOT)
    changed = hide(noise(2000), key, method="grain").picture.copy()
    changed.reshape(-1)[::500] ^= 2  # keeps all parities
    with pytest.raises(csfnns.NoMessageError) as caught:
        reveal(changed, key)
    assert caught.value.hint


def test_a_decoy_is_written_as_carefully_as_a_stego(key: Key, tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    for name in ("old.png", "a.jpg", "nowhere/a.png"):
        with pytest.raises(PictureError):
            make_decoy(key, out=tmp_path / name)
    assert (tmp_path / "old.png").read_bytes() == b"old"
    decoys = [make_decoy(key) for _ in range(3)]
    assert len({each.id for each in decoys}) == 3
    with pytest.raises(UsageError, match="needs model 'grain'"):
        Direct().decoy(decoys[0].picture, ROOT)


# Shares of an album


def test_a_share_is_of_an_album_only(key: Key, scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Only a key with an album has shares"):
        csfnns.share_album(key, "1/2")
    for i in range(5):
        write_picture(scene(64, 64, i), tmp_path / f"{i}.png")
    fingerprint = FolderCovers(tmp_path, 64, 64).album_fingerprint
    shared = Key.from_root(make_profile(width=64, height=64, generator="folder", album=fingerprint), ROOT)
    with pytest.raises(UsageError, match="share must be I/N"):
        csfnns.share_album(shared, "3/2")
    csfnns.share_album(shared, "2/2")
    assert AlbumRegister().share(shared.id) == (2, 2)
    hide(b"x", shared, covers=tmp_path)
    with pytest.raises(CoverError, match="share must be 2/2"):
        csfnns.share_album(shared, "1/2")
