"""How networks are taught: batches of pairs, divisions without leaks, stops that change nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from csfnns.errors import UsageError
from csfnns.picture import Picture
from csfnns.steganalysis import NETWORKS, Deep, Learned, Lesson, learn
from csfnns.steganalysis.learning import Pairs, check_pairs, draw_batch, held_out, schedule
from csfnns.steganalysis.xunet import XuNet


def noise_pairs(count: int, side: int = 32, strength: int = 8) -> tuple[list[Picture], list[Picture]]:
    """Flat colours with a little noise, and stegos with steps of ±`strength` at half of the places."""
    random = np.random.default_rng(0)
    flat = random.integers(60, 190, (count, 1, 1, 3))
    covers = flat + random.integers(-3, 4, (count, side, side, 3))
    steps = strength * random.choice((-1, 0, 0, 1), covers.shape)
    return list(covers.astype(np.uint8)), list((covers + steps).astype(np.uint8))


def weights(learned: Learned) -> dict[str, torch.Tensor]:
    return learned.detector.network.state_dict()


def same(first: Learned, second: Learned) -> bool:
    """Whether two trainings ended with the same weights to the last digit, and the same curve."""
    a, b = weights(first), weights(second)
    return first.curve == second.curve and all(torch.equal(a[key], b[key]) for key in a)


def test_xunet_learns_what_is_easy() -> None:
    covers, stegos = noise_pairs(40)
    learned = learn(covers, stegos, Lesson("xunet", steps=40, batch=8, crop=32, checks=4))
    assert learned.accuracy > 0.9
    assert [row["step"] for row in learned.curve] == [10, 20, 30, 40]
    assert learned.curve[-1]["loss"] < learned.curve[0]["loss"]
    judged = [learned.detector.score(side[i]) > 0.5 for side in (covers, stegos) for i in learned.held_out]
    right = np.array(judged) == np.repeat([False, True], len(learned.held_out))
    assert learned.accuracy == right.mean()
    assert (learned.detector.about["pairs"], learned.detector.about["rate"]) == (35, 2e-3)
    assert learned.detector.about["accuracy"] == learned.accuracy
    assert learned.detector.about["pictures_judged"] == 2 * len(learned.held_out) == 10


@pytest.mark.parametrize("name", ["yenet", "siastegnet", "srnet"])
def test_the_loss_falls(name: str) -> None:
    covers, stegos = noise_pairs(12, strength=20)
    curve = learn(covers, stegos, Lesson(name, steps=24, batch=4, crop=24, checks=3)).curve
    assert curve[-1]["loss"] < 0.9 * curve[0]["loss"]


class Stop(Exception):
    """As if the process were killed."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_that_was_stopped_ends_as_one_run_through(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csfnns.steganalysis.learning.SAVE_EVERY", 0.0)
    covers, stegos = noise_pairs(8)
    lesson, state = Lesson(name, steps=5, batch=2, crop=16, checks=2), tmp_path / "state"

    def stop(done: int, steps: int) -> None:
        assert steps == 5
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        learn(covers, stegos, lesson, state=state, progress=stop)
    torch.manual_seed(99)  # another process has another generator
    seen: list[int] = []
    resumed = learn(covers, stegos, lesson, state=state, progress=lambda done, _: seen.append(done))
    assert seen == [4, 5]
    assert same(resumed, learn(covers, stegos, lesson))
    assert same(resumed, learn(covers, stegos, lesson, state=state))  # nothing is left to do
    other = learn(covers, stegos, Lesson(name, steps=5, batch=2, crop=16, checks=2, seed=2))
    assert not same(resumed, other)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_that_diverges_is_refused(name: str) -> None:
    covers, stegos = noise_pairs(4)
    with pytest.raises(UsageError, match=f"The training of {name} diverged at step [2-9]") as refused:
        learn(covers, stegos, Lesson(name, steps=9, batch=2, crop=16, rate=1e30))
    assert refused.value.hint == "Give a lower rate than 1e+30."


def test_a_score_that_is_no_number_is_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    covers, stegos = noise_pairs(4)
    monkeypatch.setattr(Deep, "score", lambda *_: float("nan"))
    assert learn(covers, stegos, Lesson(steps=1, batch=1, crop=16)).accuracy == 0


def test_a_state_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covers, stegos = noise_pairs(4)
    lesson, state = Lesson(steps=1, batch=1, crop=16), tmp_path / "state"
    learn(covers, stegos, lesson, state=state)
    for others, changed in ((covers, Lesson(steps=2, batch=1, crop=16)), (covers[::-1], lesson)):
        with pytest.raises(UsageError, match="state of another training"):
            learn(others, stegos, changed, state=state)
    monkeypatch.setattr("csfnns.__version__", "0.0.0")
    with pytest.raises(UsageError, match="state of another training") as refused:
        learn(covers, stegos, lesson, state=state)
    assert "versions" in str(refused.value.hint)
    state.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no state of a training"):
        learn(covers, stegos, lesson, state=state)
    with pytest.raises(UsageError, match="cannot be written"):
        learn(covers, stegos, lesson, state=tmp_path / "nowhere" / "state")


def test_a_training_may_begin_with_a_model(tmp_path: Path) -> None:
    covers, stegos = noise_pairs(4)
    first = learn(covers, stegos, Lesson(steps=2, batch=1, crop=16))
    first.detector.save(tmp_path / "first")
    # With a rate that changes nothing, only the running means of the normalisation move.
    later = learn(covers, stegos, Lesson(steps=1, batch=1, crop=16, rate=1e-30, start=tmp_path / "first"))
    for name, tensor in later.detector.network.named_parameters():
        assert torch.equal(tensor, weights(first)[name])
    assert later.detector.about["start"] == "first"
    with pytest.raises(UsageError, match="a model of 'xunet'"):
        learn(covers, stegos, Lesson("srnet", steps=1, start=tmp_path / "first", crop=16))


def test_a_cover_and_its_stego_are_cut_and_turned_alike() -> None:
    random = np.random.default_rng(0)
    covers = [random.integers(0, 128, (40, 60, 3), np.uint8) for _ in range(6)]
    stegos = [each + 100 for each in covers]
    for crop, shape in ((24, (24, 24)), (None, (40, 60))):
        lesson = Lesson(batch=3, crop=crop)
        pairs = Pairs.check(covers, stegos, None, lesson)
        seen = set()
        for step in range(8):
            pictures, labels = draw_batch(pairs, lesson, step)
            assert pictures.shape == (6, 3, *shape)
            assert (pictures.dtype, labels.tolist()) == (torch.float32, [0, 0, 0, 1, 1, 1])
            assert torch.equal(pictures[3:], pictures[:3] + 100)
            seen |= {each.numpy().tobytes() for each in pictures[:3]}
        assert len(seen) > 10


def test_a_batch_has_each_pair_once_and_no_pair_that_is_held_out() -> None:
    covers = [np.full((16, 16, 3), i, np.uint8) for i in range(20)]
    lesson = Lesson(batch=10, crop=16)
    pairs = Pairs.check(covers, covers, None, lesson)
    drawn = [draw_batch(pairs, lesson, step)[0][:10, 0, 0, 0].int().tolist() for step in range(20)]
    assert all(len(set(batch)) == 10 for batch in drawn)
    assert {i for batch in drawn for i in batch} == set(pairs.taught) == set(range(20)) - set(pairs.held)


def test_crops_of_one_picture_are_never_on_both_sides() -> None:
    groups = [f"picture{i // 5}" for i in range(60)]
    covers = [np.zeros((16, 16, 3), np.uint8)] * 60
    pairs = Pairs.check(covers, covers, groups, Lesson(crop=16))
    taught, held = ({groups[i] for i in side} for side in (pairs.taught, pairs.held))
    assert (len(taught), len(held)) == (8, 4)
    assert not taught & held
    assert sorted(pairs.taught + pairs.held) == list(range(60))


def test_names_decide_what_is_held_out() -> None:
    names = [f"{i:03}" for i in range(100)]
    assert held_out(names, 0.25) == held_out(names[::-1] + names, 0.25)
    assert len(held_out(names, 0.25)) == 27
    assert held_out(names, 0.1) < held_out(names, 0.25)
    assert (len(held_out(names[:2], 0.01)), len(held_out(names[:2], 0.99))) == (1, 1)


def test_a_longer_list_holds_out_what_a_shorter_one_did() -> None:
    names = [f"{i:03}" for i in range(100)]
    held = held_out(names, 0.25)
    for count in (20, 50, 90):
        some = names[:count]
        assert held_out(some, 0.25) == held & set(some)


def test_any_number_of_pictures_is_judged_in_batches_of_so_many_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    covers, stegos = noise_pairs(20)
    groups = [f"{i % 4}" for i in range(20)]  # five of each picture
    wholes, forward = [], XuNet.forward
    seen: list[int] = []

    def watched(network: XuNet, x: torch.Tensor) -> torch.Tensor:
        if not network.training:
            seen.append(len(x))
        return forward(network, x)

    monkeypatch.setattr(XuNet, "forward", watched)
    for pixels, most in ((1, 1), (3 * 32 * 32, 3), (2**20, None)):
        monkeypatch.setattr("csfnns.steganalysis.learning._PIXELS_AT_ONCE", pixels)
        seen.clear()
        learned = learn(covers, stegos, Lesson(steps=1, batch=1, crop=32), groups=groups)
        judged = len(learned.held_out)
        assert judged % 3
        assert max(seen) == (most or judged)
        assert sum(seen) == 4 * judged  # in crops for the curve, and whole
        wholes.append(learned.curve)
    assert wholes[0] == wholes[1] == wholes[2]


def test_the_rate_goes_up_and_then_to_nothing() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert (rates[0], max(rates)) == (0.1, 1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 1e-3
    assert schedule(0, 1) == 1


def test_what_cannot_be_learned_from_is_refused() -> None:
    covers, stegos = noise_pairs(4)
    lesson = Lesson(steps=1, crop=32)
    wide = [np.zeros((32, 40, 3), np.uint8)]
    for few, many, groups, settings, reason in (
        (covers, stegos[:3], None, lesson, "4 covers, 3 stegos and 4 groups are no pairs"),
        (covers, stegos, ["a"], lesson, "4 stegos and 1 groups are no pairs"),
        (covers[:3] + wide, stegos, None, lesson, "A cover of 40x32 and a stego of 32x32 are no pair"),
        (covers, stegos, ["a"] * 4, lesson, "1 pictures are too few"),
        ([], [], None, lesson, "0 pictures are too few"),
        (covers, stegos, None, Lesson(crop=33), "32x32 is too small for squares of 33"),
        (covers + wide, stegos + wide, None, Lesson(crop=None), "several sizes"),
        ([each[..., 0] for each in covers], stegos, None, lesson, "no RGB picture"),
    ):
        with pytest.raises(UsageError, match=reason):
            learn(few, many, settings, groups=groups)
    with pytest.raises(UsageError, match="4 covers and 3 stegos are no pairs"):
        check_pairs(covers, stegos[:3], 32)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"batch": 0},
        {"checks": 0},
        {"crop": 15},
        {"held_out": 0.0},
        {"held_out": 1.0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"seed": -1},
    ],
)
def test_lessons_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"is no {next(iter(settings))} to learn with"):
        Lesson(**settings)  # type: ignore[arg-type]


def test_whole_pictures_may_be_learned_from() -> None:
    covers, stegos = ([np.ascontiguousarray(each[:, :24]) for each in side] for side in noise_pairs(4))
    learned = learn(covers, stegos, Lesson(steps=2, batch=2, crop=None))
    assert isinstance(learned.detector, Deep)
    assert len(learned.curve) == 2
