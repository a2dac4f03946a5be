import math

import pytest

from csfnns.aim import CLOSE, TRIALS, Aim, Trial, best, next_trial
from csfnns.errors import UsageError


def frontier(doublings: float, steps: float) -> Trial:
    """A curved frontier like those measured: the stego bends down, the secret flattens; more steps move it out."""
    gain = 0.5 * math.log2(steps)
    stego = 51.5 - 0.75 * doublings - 0.06 * doublings**2 + gain
    recovered = 40.4 + 1.5 * doublings - 0.08 * doublings**2 + gain
    return Trial(doublings, steps, stego, recovered if doublings > -7 else -math.inf)


def reach(aim: Aim) -> list[Trial]:
    """Trials until the aim is met or given up."""
    trials: list[Trial] = []
    while (settings := next_trial(aim, trials)) is not None:
        trials.append(frontier(*settings))
    return trials


@pytest.mark.parametrize("stego", [46.0, 49.0, 51.4, 51.6, 53.0, 53.5])
def test_a_stego_target_is_met_closely_in_few_searches(stego: float) -> None:
    trials = reach(Aim(stego=stego))
    found = trials[best(Aim(stego=stego), trials)]
    assert 0 <= found.stego - stego <= CLOSE
    assert len(trials) <= 5


@pytest.mark.parametrize("recovered", [30.0, 36.0, 40.3, 42.0, 45.0])
def test_a_recovered_target_is_met_closely_in_few_searches(recovered: float) -> None:
    trials = reach(Aim(recovered=recovered))
    found = trials[best(Aim(recovered=recovered), trials)]
    assert 0 <= found.recovered - recovered <= CLOSE
    assert len(trials) <= 5


@pytest.mark.parametrize(
    ("floor", "slope", "stego"), [(-2.0, -0.75, 52.7), (-1.0, -0.75, 52.0), (-2.0, -1.5, 53.5)]
)
def test_a_target_next_to_what_nobody_can_read_is_met_without_trying_twice(
    floor: float, slope: float, stego: float
) -> None:
    def steep(doublings: float, steps: float) -> Trial:
        recovered = 30 + 1.5 * doublings if doublings > floor else -math.inf
        return Trial(doublings, steps, 51.5 + slope * doublings if recovered > 0 else 0.0, recovered)

    aim, trials = Aim(stego=stego), list[Trial]()
    while (settings := next_trial(aim, trials)) is not None:
        trials.append(steep(*settings))
    places = [round(each.doublings, 3) for each in trials]
    assert len(set(places)) == len(places)
    assert trials[best(aim, trials)].meets(aim)


def test_what_gains_nothing_any_more_ends_within_bounds() -> None:
    aim, trials = Aim(recovered=45), list[Trial]()
    while (settings := next_trial(aim, trials)) is not None:
        trials.append(Trial(*settings, 50 - settings[0], 40.0))
    assert max(each.doublings for each in trials) <= 6


def test_the_first_search_is_the_usual_one() -> None:
    assert next_trial(Aim(stego=50), []) == (0.0, 1.0)


def test_two_easy_targets_take_one_short_search() -> None:
    (only,) = reach(Aim(stego=48, recovered=36))
    assert only.steps < 1


def test_two_targets_take_more_steps_only_when_they_must() -> None:
    aim = Aim(stego=51.7, recovered=40.5)
    trials = reach(aim)
    assert trials[best(aim, trials)].meets(aim)
    assert trials[-1].steps > 1


@pytest.mark.parametrize(
    "aim", [Aim(stego=52, recovered=44), Aim(stego=70), Aim(recovered=60)], ids=["both", "stego", "recovered"]
)
def test_what_cannot_be_met_ends_with_the_nearest(aim: Aim) -> None:
    trials = reach(aim)
    assert len(trials) <= TRIALS
    assert not any(trial.meets(aim) for trial in trials)
    assert trials[best(aim, trials)].excess(aim) == max(trial.excess(aim) for trial in trials)


def test_a_secret_that_nobody_could_read_gets_a_larger_beta() -> None:
    lost = Trial(-8, 1.0, 0.0, -math.inf)
    settings = next_trial(Aim(stego=50), [lost])
    assert settings is not None
    assert settings[0] > lost.doublings


@pytest.mark.parametrize("ends", [{}, {"stego": 10.0}, {"recovered": 100.0}, {"stego": float("nan")}])
def test_an_aim_that_cannot_be_is_refused(ends: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="20 to 90"):
        Aim(**ends)
