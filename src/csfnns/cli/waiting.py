"""What commands that take long share: where they compute, and how they tell the time that is left."""

import time

from csfnns.cli import options, show


def device_name(device: options.Device) -> str:
    """The device in torch's words. Raises UsageError for one that is not there."""
    from csfnns.search import check_device

    name = options.torch_device(device)
    check_device(name)
    return name


def duration(seconds: float) -> str:
    """A time in one word, rounded."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Lines:
    """A line on stderr for each thing that is done, with the time left as far as the others are like those."""

    def __init__(self, cost: float, count: int) -> None:
        """Cost of all that is to be done, in any unit, and its number."""
        self._started, self._cost, self._left = time.monotonic(), cost, cost
        self._count, self._done = count, 0

    def tell(self, what: str, cost: float) -> None:
        """Say that it is done."""
        self._left, self._done = self._left - cost, self._done + 1
        passed = max(self._cost - self._left, 1e-9)
        rest = (time.monotonic() - self._started) * max(self._left, 0) / passed
        show.note(f"{self._done} of {self._count}: {what}; about {duration(rest)} left")
