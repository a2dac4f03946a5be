import subprocess
import sys

import pytest

from csfnns import extras
from csfnns.errors import UsageError


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "network", ("json", "no_such_module_at_all"))


def test_what_is_installed_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "network", ("json",))
    assert extras.has("network")
    extras.require("network", "The denoiser")


@pytest.mark.usefixtures("absent")
def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    assert not extras.has("network")
    with pytest.raises(UsageError) as error:
        extras.require("network", "The denoiser")
    assert error.value.message == "The denoiser needs the extra 'network'."
    assert error.value.hint == "Install it: pip install 'csfnns[network]'."


@pytest.mark.usefixtures("absent")
def test_a_lazy_name_says_what_it_needs() -> None:
    load = extras.load_lazily("csfnns.search", {"Search": "sps"})
    with pytest.raises(UsageError, match=r"csfnns\.search\.Search needs the extra 'network'"):
        load("Search")
    with pytest.raises(AttributeError, match="no attribute 'Find'"):
        load("Find")


WITHOUT = """
import sys
for name in ("torch", "safetensors"):
    sys.modules[name] = None  # importing it fails
from pathlib import Path
import numpy as np
from csfnns.errors import UsageError
from csfnns.experiments import EXPERIMENTS, make_plan
from csfnns.experiments.measures import lpips_missing
from csfnns.steganalysis import DETECTORS, make_detector, make_network, spam_features

picture = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
assert all(0 <= make_detector(name).score(picture) <= 1 for name in DETECTORS if DETECTORS[name].kind == "statistic")
assert spam_features(picture).shape == (686,)
assert "csfnns[network]" in lpips_missing()  # a reason, and no error: experiments can be listed
for refused in (
    lambda: make_network("xunet", 1),
    lambda: make_detector("siastegnet"),
    lambda: make_detector("spam", Path("model.safetensors")),
    lambda: make_plan(EXPERIMENTS["table1"], Path("."), {"imagenet": Path(".")}),
):
    try:
        refused()
    except UsageError as error:
        assert error.hint == "Install it: pip install 'csfnns[network]'.", error
    else:
        raise AssertionError("nothing was refused")
"""


def test_steganalysis_by_statistics_needs_no_torch_and_the_rest_says_so() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=60)
