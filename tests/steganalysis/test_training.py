"""Training of networks: batches of pairs, splits without leaks, stops that change nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.steganalysis import Deep, TrainingConfig, TrainingResult, networks, train_network
from csfnns.steganalysis.training import Pairs, check_pairs, draw_batch, held_out, schedule


def noise_pairs(count: int, side: int = 32, strength: int = 8) -> tuple[list[Picture], list[Picture]]:
    """Flat colours with a little noise, and stegos with half of their levels moved by ±`strength`."""
    random = np.random.default_rng(0)
    flat = random.integers(60, 190, (count, 1, 1, 3))
    covers = flat + random.integers(-3, 4, (count, side, side, 3))
    steps = strength * random.choice((-1, 0, 0, 1), covers.shape)
    return list(covers.astype(np.uint8)), list((covers + steps).astype(np.uint8))


def weights(result: TrainingResult) -> dict[str, torch.Tensor]:
    return result.detector.network.state_dict()


def same(first: TrainingResult, second: TrainingResult) -> bool:
    """Whether two trainings ended with the same weights to the last digit, and the same curve."""
    a, b = weights(first), weights(second)
    return first.curve == second.curve and all(torch.equal(a[key], b[key]) for key in a)


def test_xunet_learns_what_is_easy() -> None:
    covers, stegos = noise_pairs(40)
    result = train_network(covers, stegos, TrainingConfig("xunet", steps=40, batch=8, crop=32, checks=4))
    assert result.accuracy > 0.9
    assert [row["step"] for row in result.curve] == [10, 20, 30, 40]
    assert result.curve[-1]["loss"] < result.curve[0]["loss"]
    scores = [[result.detector.score(side[i]) for i in result.held_out] for side in (covers, stegos)]
    assert result.accuracy == np.mean((np.array(scores) > 0.5) == [[False], [True]])
    assert (result.detector.about["pairs"], result.detector.about["rate"]) == (35, 2e-3)
    assert result.detector.about["accuracy"] == result.accuracy
    assert result.detector.about["held_out_pictures"] == 2 * len(result.held_out) == 10


@pytest.mark.parametrize("name", ["yenet", "siastegnet", "srnet"])
def test_the_loss_falls(name: str) -> None:
    covers, stegos = noise_pairs(12, strength=20)
    curve = train_network(covers, stegos, TrainingConfig(name, steps=24, batch=4, crop=24, checks=3)).curve
    assert curve[-1]["loss"] < 0.9 * curve[0]["loss"]


class Stop(Exception):
    """As if the process were killed."""


@pytest.mark.parametrize("name", networks())
def test_a_training_that_was_stopped_ends_like_one_that_was_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csfnns.steganalysis.training.SAVE_EVERY", 0.0)
    covers, stegos = noise_pairs(8)
    config, state = TrainingConfig(name, steps=5, batch=2, crop=16, checks=2), tmp_path / "state"

    def stop(done: int, steps: int) -> None:
        assert steps == 5
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        train_network(covers, stegos, config, state=state, progress=stop)
    torch.manual_seed(99)  # another process has another generator
    seen: list[int] = []
    resumed = train_network(covers, stegos, config, state=state, progress=lambda done, _: seen.append(done))
    assert seen == [4, 5]
    assert same(resumed, train_network(covers, stegos, config))
    assert same(resumed, train_network(covers, stegos, config, state=state))  # nothing is left to do
    other = train_network(covers, stegos, TrainingConfig(name, steps=5, batch=2, crop=16, checks=2, seed=2))
    assert not same(resumed, other)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", networks())
def test_a_training_that_diverges_is_refused(name: str) -> None:
    covers, stegos = noise_pairs(4)
    with pytest.raises(UsageError, match=f"The training of {name} diverged at step [2-9]") as refused:
        train_network(covers, stegos, TrainingConfig(name, steps=9, batch=2, crop=16, rate=1e30))
    assert refused.value.hint == "Set a rate below 1e+30."


def test_a_score_that_is_nan_is_never_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    covers, stegos = noise_pairs(4)
    monkeypatch.setattr(Deep, "score", lambda *_: float("nan"))
    assert train_network(covers, stegos, TrainingConfig(steps=1, batch=1, crop=16)).accuracy == 0


def test_a_state_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covers, stegos = noise_pairs(4)
    config, state = TrainingConfig(steps=1, batch=1, crop=16), tmp_path / "state"
    train_network(covers, stegos, config, state=state)
    for others, changed in ((covers, TrainingConfig(steps=2, batch=1, crop=16)), (covers[::-1], config)):
        with pytest.raises(UsageError, match="state of another training"):
            train_network(others, stegos, changed, state=state)
    monkeypatch.setattr("csfnns.__version__", "0.0.0")
    with pytest.raises(UsageError, match="state of another training") as refused:
        train_network(covers, stegos, config, state=state)
    assert "versions" in str(refused.value.hint)
    state.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="not the state of a training"):
        train_network(covers, stegos, config, state=state)
    with pytest.raises(UsageError, match="cannot be written"):
        train_network(covers, stegos, config, state=tmp_path / "nowhere" / "state")


def test_a_training_may_start_from_a_model(tmp_path: Path) -> None:
    covers, stegos = noise_pairs(4)
    first = train_network(covers, stegos, TrainingConfig(steps=2, batch=1, crop=16))
    first.detector.save(tmp_path / "first")
    # With a rate that changes nothing, only the running means of the normalisation move.
    later = train_network(
        covers, stegos, TrainingConfig(steps=1, batch=1, crop=16, rate=1e-30, start=tmp_path / "first")
    )
    for name, tensor in later.detector.network.named_parameters():
        assert torch.equal(tensor, weights(first)[name])
    assert later.detector.about["start"] == "first"
    with pytest.raises(UsageError, match="a model of 'xunet'"):
        train_network(covers, stegos, TrainingConfig("srnet", steps=1, start=tmp_path / "first", crop=16))


def test_a_cover_and_its_stego_are_cut_and_turned_alike() -> None:
    random = np.random.default_rng(0)
    covers = [random.integers(0, 128, (40, 60, 3), np.uint8) for _ in range(6)]
    stegos = [each + 100 for each in covers]
    for crop, shape in ((24, (24, 24)), (None, (40, 60))):
        config = TrainingConfig(batch=3, crop=crop)
        pairs = Pairs.split(covers, stegos, None, config)
        seen = set()
        for step in range(8):
            pictures, labels = draw_batch(pairs, config, step)
            assert pictures.shape == (6, 3, *shape)
            assert (pictures.dtype, labels.tolist()) == (torch.float32, [0, 0, 0, 1, 1, 1])
            assert torch.equal(pictures[3:], pictures[:3] + 100)
            seen |= {each.numpy().tobytes() for each in pictures[:3]}
        assert len(seen) > 10


def test_a_batch_has_each_pair_once_and_no_pair_that_is_held_out() -> None:
    covers = [np.full((16, 16, 3), i, np.uint8) for i in range(20)]
    config = TrainingConfig(batch=10, crop=16)
    pairs = Pairs.split(covers, covers, None, config)
    drawn = [draw_batch(pairs, config, step)[0][:10, 0, 0, 0].int().tolist() for step in range(20)]
    assert all(len(set(batch)) == 10 for batch in drawn)
    assert {i for batch in drawn for i in batch} == set(pairs.training) == set(range(20)) - set(pairs.held_out)


def test_crops_of_one_picture_are_never_on_both_sides() -> None:
    groups = [f"picture{i // 5}" for i in range(60)]
    covers = [np.zeros((16, 16, 3), np.uint8)] * 60
    pairs = Pairs.split(covers, covers, groups, TrainingConfig(crop=16))
    training, held = ({groups[i] for i in side} for side in (pairs.training, pairs.held_out))
    assert (len(training), len(held)) == (8, 4)
    assert not training & held
    assert sorted(pairs.training + pairs.held_out) == list(range(60))


def test_names_alone_decide_what_is_held_out() -> None:
    names = [f"{i:03}" for i in range(100)]
    held = held_out(names, 0.25)
    assert held == held_out(names[::-1] + names, 0.25)
    assert len(held) == 27
    assert held_out(names, 0.1) < held
    for count in (20, 50, 90):
        assert held_out(names[:count], 0.25) == held & set(names[:count])
    assert (len(held_out(names[:2], 0.01)), len(held_out(names[:2], 0.99))) == (1, 1)


def test_the_rate_goes_up_and_then_to_nothing() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert (rates[0], max(rates)) == (0.1, 1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 1e-3
    assert schedule(0, 1) == 1


def test_unsuitable_pairs_are_refused() -> None:
    covers, stegos = noise_pairs(4)
    config = TrainingConfig(steps=1, crop=32)
    wide = [np.zeros((32, 40, 3), np.uint8)]
    for some, others, groups, settings, reason in (
        (covers, stegos[:3], None, config, "got 4 covers and 3 stegos"),
        (covers, stegos, ["a"], config, "groups must have 4 names, got 1"),
        (covers[:3] + wide, stegos, None, config, "A cover of 40x32 has a stego of 32x32"),
        (covers, stegos, ["a"] * 4, config, "at least 2 pictures, got 1"),
        ([], [], None, config, "at least 2 pictures, got 0"),
        (covers, stegos, None, TrainingConfig(crop=33), "A picture of 32x32 is smaller than 33"),
        (covers + wide, stegos + wide, None, TrainingConfig(crop=None), "several sizes"),
        ([each[..., 0] for each in covers], stegos, None, config, "no RGB picture"),
    ):
        with pytest.raises(UsageError, match=reason):
            train_network(some, others, settings, groups=groups)
    with pytest.raises(UsageError, match="got 4 covers and 3 stegos"):
        check_pairs(covers, stegos[:3], 32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps", 0), ("batch", 0), ("checks", 0), ("crop", 15), ("held_out", 0.0), ("held_out", 1.0)),
        *(("rate", 0.0), ("rate", float("nan")), ("rate", float("inf")), ("seed", -1), ("seed", 2**31)),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} must be .*, got {value}"):
        TrainingConfig(**{name: value})  # type: ignore[arg-type]


def test_whole_pictures_may_be_trained_on() -> None:
    covers, stegos = ([np.ascontiguousarray(each[:, :24]) for each in side] for side in noise_pairs(4))
    result = train_network(covers, stegos, TrainingConfig(steps=2, batch=2, crop=None))
    assert isinstance(result.detector, Deep)
    assert len(result.curve) == 2
