from typing import Any

import pytest
from pydantic import ValidationError

from csfnns.errors import UsageError
from csfnns.profile import PRESETS, Profile, Rate, make_profile


@pytest.mark.parametrize(("bpp", "size"), [("24", (96, 160)), ("6", (48, 80)), ("1.5", (24, 40))])
def test_secret_size_follows_from_the_rate(bpp: Rate, size: tuple[int, int]) -> None:
    profile = make_profile("paper", height=96, width=160, bpp=bpp)
    assert profile.secret_size == size
    assert 24 * size[0] * size[1] / (96 * 160) == float(bpp)


def test_the_paper_profile_is_the_authors_network() -> None:
    """Sec. 4.1 and the authors' code: shuffled pixels, 96 channels, Xavier normal, 6 bpp at 512x512."""
    paper = make_profile("paper")
    assert (paper.decoder, paper.channels, paper.weights) == ("shuffle", 96, "xavier-normal")
    assert (paper.bpp, paper.height, paper.width) == ("6", 512, 512)


def test_the_standard_profile_has_the_trellis_decoder_and_no_network() -> None:
    standard = make_profile()
    assert (standard.decoder, standard.height, standard.width) == ("trellis", 512, 512)
    assert standard.has_header
    assert not standard.is_network


@pytest.mark.parametrize("name", ["robust", "paper"])
def test_the_other_profiles_have_a_network(name: str) -> None:
    profile = make_profile(name)
    assert profile.is_network
    assert profile.has_header == (name == "robust")


@pytest.mark.parametrize("choice", [{"bpp": "6"}, {"channels": 32}, {"weights": "normal"}])
def test_choices_of_a_network_are_refused_where_there_is_none(choice: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(choice))} goes with a network"):
        make_profile(**choice)


def test_only_fields_that_apply_are_written() -> None:
    common = {"name", "version", "generator", "width", "height", "decoder"}
    network = {"bpp", "channels", "weights"}
    assert make_profile().model_dump().keys() == common
    assert make_profile("robust").model_dump().keys() == common | network
    assert make_profile(generator="folder", album="0" * 64).model_dump().keys() == common | {"album"}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_bear_their_names_and_are_version_2(name: str) -> None:
    profile = make_profile(name)
    assert (profile.name, profile.version, profile.generator) == (name, 2, "abstract")


def test_a_profile_is_frozen() -> None:
    profile = make_profile()
    with pytest.raises(ValidationError):
        profile.width = 64


def test_equal_choices_make_equal_profiles() -> None:
    assert make_profile(width=64) == make_profile(width=64)
    assert make_profile(width=64) != make_profile(width=128)


def test_a_profile_survives_json() -> None:
    profile = make_profile("paper", bpp="1.5", generator="folder", album="0" * 64)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 100),
        ("width", 48),
        ("height", 8208),
        ("height", 64.0),
        ("height", "64"),
        ("bpp", "12"),
        ("bpp", 6),
        ("decoder", "deep"),
        ("channels", 2),
        ("channels", 513),
        ("weights", "zero"),
        ("generator", "Abstract"),
        ("generator", "../x"),
        ("album", "xyz"),
    ],
)
def test_a_value_out_of_range_is_refused_with_field_and_value(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{field} must .*, got {value!r}\. "):
        make_profile("paper", **{field: value})


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as error:
        make_profile("best")
    assert all(name in error.value.hint for name in PRESETS)


@pytest.mark.parametrize("choices", [{"album": "0" * 64}, {"generator": "folder"}])
def test_an_album_goes_with_the_folder_generator_only(choices: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="album goes with the generator 'folder', and only with it"):
        make_profile(**choices)


def test_the_robust_decoder_has_one_rate() -> None:
    with pytest.raises(UsageError, match=r"bpp must be '1.5' with the decoder 'robust', got '24'"):
        make_profile("robust", bpp="24")
