"""What csfnns does to the process that it runs in, and that its threads do not meet half of torch."""

import subprocess
import sys

import pytest

from csfnns.extras import has

_LOAD_BESIDE = """
from threading import Thread
from csfnns.errors import SearchError
from csfnns.process import undisturbed
loading = Thread(target=__import__, args=["torch"])
loading.start()
while loading.is_alive():
    with undisturbed(SearchError):
        pass
"""


@pytest.mark.skipif(not has("network"), reason="the extra network is not installed")
def test_a_thread_works_while_another_loads_torch() -> None:
    subprocess.run([sys.executable, "-c", _LOAD_BESIDE], check=True, timeout=120)
