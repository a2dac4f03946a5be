import pytest

from csfnns.errors import UsageError
from csfnns.search.parts import _part_of
from csfnns.search.sps import check_device


def test_progress_of_a_part_is_progress_of_all() -> None:
    seen = list[tuple[int, int]]()
    second = _part_of(lambda step, steps: seen.append((step, steps)) or True, 1, 3)
    assert second is not None
    assert second(0, 100) is True
    second(40, 100)
    assert seen == [(100, 300), (140, 300)]
    assert _part_of(None, 0, 1) is None


def test_searches_run_on_processors_and_cuda_alone() -> None:
    check_device("cpu")
    with pytest.raises(UsageError, match="'meta' cannot be used: meta has no search"):
        check_device("meta")
