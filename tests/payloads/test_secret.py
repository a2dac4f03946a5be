"""What a secret is taken for: a picture, a file or text, and what of it is lost as pixels."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.errors import PictureError, UsageError
from csfnns.extras import has
from csfnns.images import decode
from csfnns.images import io as reading
from csfnns.images.io import Picture
from csfnns.payloads.frame import Kind
from csfnns.payloads.secret import is_picture, read_secret, text

Scene = Callable[..., Picture]

# 64x48, left half (200, 60, 40), right half (20, 90, 180)
HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004fZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=IV*mgE07O6l"
    "0RRC200001p#T8@00000002k;001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002}X>f9I0002pX>en20001X"
    "Xm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDnbDP18@KU0|1Z!00RI30{|YNAb|yz>g1-m"
    "xCm%4AOHXZ10VnZ0{|gn00967L;=Bbz=;3=025<xY;ta6Y<K_x01W^JfB*mh6lrsCWdHyG00000KmY&$KmY&$C}V74Z~y=RKmY&$0RR91FaQ7m"
    "0RR91000000{{R2@Bjb+0ssI25O8UDX#fBK00RgJ2mk;87-?{AVE_OC000000RRC7fdT^sga7~lP;F#kbN~PVL?{8TSmyNVzyHw+|NCq59`XhC"
    "|L{ZAey<5X>^M~;S8$?cWlE{@)sA4NxI&~J;i&VVA@xYk)Z7W8VrcC-`mWl$fB"
)


def encoded(kind: str, *colours: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    first, *others = (Image.new("RGB", (40, 30), colour) for colour in colours)
    first.save(buffer, kind, **(options if not others else {"save_all": True, "append_images": others, **options}))
    return buffer.getvalue()


def logo() -> bytes:
    """White and black on a transparent ground."""
    picture = np.zeros((30, 40, 4), np.uint8)
    picture[5:25, 5:35] = 255
    picture[5:25, 20:35, :3] = 0
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_an_animation_goes_whole_as_a_file_or_as_its_first_picture_if_asked(kind: str, tmp_path: Path) -> None:
    data = encoded(kind, "red", "blue", "lime")
    path = tmp_path / f"moving.{kind.lower()}"
    path.write_bytes(data)
    for source in (data, path):
        whole = read_secret(source)
        assert (whole.kind, whole.content, whole.picture, whole.pictures) == (Kind.FILE, data, None, 3)
        first = read_secret(source, resize=20)
        assert first.kind is Kind.PICTURE
        assert first.picture is not None
        assert first.picture.shape == (15, 20, 3)
        assert first.content is None
        assert "first of its 3 pictures" in str(first.lost)
    assert read_secret(path, resize=100).name == "moving.png"


def test_one_frame_is_a_picture() -> None:
    for kind in ("GIF", "WEBP", "TIFF"):
        assert read_secret(encoded(kind, "red")).kind is Kind.PICTURE


def test_what_transparency_loses_is_said() -> None:
    secret = read_secret(logo())
    assert secret.kind is Kind.PICTURE
    assert "without its transparency" in str(secret.lost)
    assert read_secret(encoded("PNG", "red")).lost is None


def test_only_what_is_named_as_a_picture_must_be_one(tmp_path: Path) -> None:
    cut = encoded("PNG", "red")[:-30]
    assert (read_secret(cut).kind, read_secret(cut).content) == (Kind.FILE, cut)
    (tmp_path / "a.png").write_bytes(cut)
    with pytest.raises(PictureError):
        read_secret(tmp_path / "a.png")
    (tmp_path / "a.bin").write_bytes(cut)
    assert read_secret(tmp_path / "a.bin").kind is Kind.FILE
    assert not is_picture(text("a.png"))
    with pytest.raises(UsageError, match="resize is for pictures"):
        read_secret(b"text", resize=100)


@pytest.mark.skipif(not has("phone"), reason="needs the extra phone")
def test_a_picture_of_an_iphone_is_read(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(HEIC)
    for source in (HEIC, tmp_path / "IMG_0001.HEIC"):
        secret = read_secret(source)
        assert secret.content == HEIC
        assert secret.picture is not None
        assert secret.picture.shape == (48, 64, 3)
        assert np.abs(secret.picture[20, [10, 50]].astype(int) - [[200, 60, 40], [20, 90, 180]]).max() <= 4
    with pytest.raises(PictureError, match="iPhone picture") as caught:
        reading.read_picture(HEIC, as_stored=True)
    assert "never is one" in caught.value.hint


def test_without_the_extra_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(decode, "has", lambda extra: False)
    (tmp_path / "IMG_0001.HEIC").write_bytes(HEIC)
    for source in (HEIC, tmp_path / "IMG_0001.HEIC"):
        with pytest.raises(PictureError, match=r"is an iPhone picture \(HEIC\)") as caught:
            read_secret(source)
        assert caught.value.hint == "Install csfnns[phone], or convert it to JPEG first."
    with pytest.raises(PictureError, match="is a JPEG XL picture"):
        read_secret(b"\xff\x0a" + bytes(40))
