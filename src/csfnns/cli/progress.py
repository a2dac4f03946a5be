"""Devices and time estimates of commands that take long."""

import time

from csfnns.cli import options, show


def device_name(device: options.Device) -> str:
    """The device in torch's words. Raises UsageError for one that is not there."""
    from csfnns.methods.network import torch_device
    from csfnns.search import check_device

    name = torch_device(device.value)
    check_device(name)
    return name


def duration(seconds: float) -> str:
    """A time in one word, rounded."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Lines:
    """A line on stderr for each finished job, with the time left if the others take as long for their cost."""

    def __init__(self, cost: float, count: int) -> None:
        """Total cost, in any unit, and number of the jobs."""
        self._started, self._cost, self._left = time.monotonic(), cost, cost
        self._count, self._done = count, 0

    def report(self, name: str, cost: float) -> None:
        """Report a finished job."""
        self._left, self._done = self._left - cost, self._done + 1
        spent = max(self._cost - self._left, 1e-9)
        rest = (time.monotonic() - self._started) * max(self._left, 0) / spent
        show.note(f"{self._done} of {self._count}: {name}; about {duration(rest)} left")
