"""Reaching a target: which β, and how many steps, to search with next, from what the searches before it gave.

Along the frontier each doubling of β costs the stego some decibels and brings the secret some more. From the last
results the next β is a step of the secant method; when two targets cannot both be met, more steps move the frontier.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from csfnns.errors import UsageError

TRIALS = 8
"""Searches at most."""
CLOSE = 0.3
"""A single target is reached when it is exceeded by at most this many dB: beyond, the other end pays for it."""
MOST_STEPS = 4.0
"""Longest search, as a multiple of the usual number of steps."""

_STEGO_SLOPE, _RECOVERED_SLOPE = -0.75, 1.75
"""dB a doubling of β, as a first guess: the frontier in the middle."""
_FURTHEST = 3.0
"""Doublings from one search to the next, at most: the frontier is no straight line."""
_WIDEST = 6.0
"""Doublings up or down, at most: beyond, a search gives nothing that anybody wants."""
_NARROW = 0.1
"""Doublings below which another search is the same search."""
_FIRST_STEPS = 0.25
_HEADROOM = 0.1


@dataclass(frozen=True)
class Aim:
    """PSNR in dB that a message shall have, at one end or at both; of several receivers, each."""

    stego: float | None = None
    recovered: float | None = None

    def __post_init__(self) -> None:
        given = [each for each in (self.stego, self.recovered) if each is not None]
        if not given or not all(20 <= each <= 90 for each in given):
            raise UsageError(
                "A target is a PSNR from 20 to 90 dB.", "Give one for the stego, the secret or both."
            )

    def __str__(self) -> str:
        ends = (("stego", self.stego), ("recovered", self.recovered))
        return "A target of " + " and ".join(f"{dB:g} dB {end}" for end, dB in ends if dB is not None)


@dataclass(frozen=True)
class Trial:
    """A search and what it gave."""

    doublings: float
    """log2 of β over the usual."""
    steps: float
    """Over the usual number."""
    stego: float
    """PSNR in dB."""
    recovered: float
    """PSNR in dB of the receiver who gets the least; -inf when somebody could not read the secret."""

    @property
    def readable(self) -> bool:
        """Whether every receiver could read his secret."""
        return self.recovered != float("-inf")

    def meets(self, aim: Aim) -> bool:
        """Whether nothing is below its target."""
        return all(margin >= 0 for margin in self._margins(aim))

    def _margins(self, aim: Aim) -> list[float]:
        pairs = ((self.stego, aim.stego), (self.recovered, aim.recovered))
        return [figure - least for figure, least in pairs if least is not None]

    def excess(self, aim: Aim) -> float:
        """The smaller margin, in dB; negative when a target is missed."""
        return min(self._margins(aim))


def next_trial(aim: Aim, trials: Sequence[Trial]) -> tuple[float, float] | None:
    """Doublings of β and multiple of the steps to try next; None when the target is met, or is not to be met.

    With one target, searches are of the usual length and end as close above it as CLOSE. With two, they begin short
    and end as soon as both are met: a target that is easy to meet takes less time than usual.
    """
    both = aim.stego is not None and aim.recovered is not None
    if not trials:
        return 0.0, _FIRST_STEPS if both else 1.0
    last = trials[-1]
    if len(trials) == TRIALS or (last.meets(aim) and (both or last.excess(aim) <= CLOSE)):
        return None
    proposal = _proposal(aim, trials, both)
    if proposal is None:
        return None
    doublings, steps = _readable(proposal, trials)
    doublings = max(-_WIDEST, min(_WIDEST, doublings))
    known = any(each.steps == steps and abs(each.doublings - doublings) < _NARROW for each in trials)
    return None if known else (doublings, steps)


def _proposal(aim: Aim, trials: Sequence[Trial], both: bool) -> tuple[float, float] | None:
    """Where the frontier's slopes lead; None when two targets are too much for the longest search."""
    last = trials[-1]
    if not last.readable:
        return (
            (last.doublings + _FURTHEST, last.steps) if last.steps >= 1 else (last.doublings, 2 * last.steps)
        )
    stego_slope, recovered_slope = _slopes(trials)
    low, high = float("-inf"), float("inf")
    if aim.recovered is not None:
        low = (aim.recovered + _HEADROOM - last.recovered) / recovered_slope
    if aim.stego is not None:
        high = (aim.stego + _HEADROOM - last.stego) / stego_slope
    if low > high:  # both at once: the middle is no good at this length
        return (
            None
            if last.steps >= MOST_STEPS
            else (last.doublings + _limited((low + high) / 2), 2 * last.steps)
        )
    move = (low + high) / 2 if both else (high if low == float("-inf") else low)
    return last.doublings + _limited(move), last.steps


def _readable(proposal: tuple[float, float], trials: Sequence[Trial]) -> tuple[float, float]:
    """The proposal, kept above every β with which a search of that length lost the secret."""
    doublings, steps = proposal
    lost = [each.doublings for each in trials if not each.readable and each.steps >= steps]
    found = [each.doublings for each in trials if each.readable and each.steps == steps]
    if not lost or doublings > max(lost):
        return proposal
    above = [each for each in found if each > max(lost)]
    return ((max(lost) + min(above)) / 2 if above else max(lost) + _FURTHEST), steps


def best(aim: Aim, trials: Sequence[Trial]) -> int:
    """Index of the trial to keep: of those that meet the target the least wasteful, else the nearest to it."""
    meeting = [i for i, each in enumerate(trials) if each.meets(aim)]
    if meeting:
        return min(meeting, key=lambda i: trials[i].excess(aim))
    return max(range(len(trials)), key=lambda i: trials[i].excess(aim))


def _limited(move: float) -> float:
    return max(-_FURTHEST, min(_FURTHEST, move))


def _slopes(trials: Sequence[Trial]) -> tuple[float, float]:
    """dB a doubling for stego and secret, from the last two searches of one length if they tell."""
    if len(trials) > 1:
        a, b = trials[-2:]
        apart = b.doublings - a.doublings
        if a.steps == b.steps and abs(apart) > 0.05 and a.readable and b.readable:
            stego, recovered = (b.stego - a.stego) / apart, (b.recovered - a.recovered) / apart
            # Between halves and doubles of what is usual: noise of a short step shall not throw the next one far.
            return min(-0.3, max(-2.0, stego)), max(0.6, min(4.0, recovered))
    return _STEGO_SLOPE, _RECOVERED_SLOPE
