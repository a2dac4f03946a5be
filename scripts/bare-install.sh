#!/usr/bin/env bash
# Install the package without its extras into an empty environment, and use its command there: what needs no torch must
# work where there is none.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH
export CSFNNS_HOME="$work/home"

"${PYTHON:-python3}" -m venv "$work/venv"
python="$work/venv/bin/python"
# As in the Makefile: the pip of constraints.txt, then the package, with all hashes that constraints.txt has.
sed -n '/^pip==/,/[^\\]$/p' "$root/constraints.txt" > "$work/pip.txt"
"$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement "$work/pip.txt"
PIP_NO_REQUIRE_HASHES=1 "$python" -m pip install --quiet \
  --constraint "$root/constraints.txt" --build-constraint "$root/constraints.txt" "$root"
cd "$work"  # away from the sources

if "$python" -c 'import torch' 2>/dev/null; then
  echo "torch is installed without the extra 'network'" >&2
  exit 1
fi
packages="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
echo "site-packages with pip: $(du -sm --apparent-size "$packages" | cut -f1) MB"

# A calm picture, and one with edges, texture and noise, as photographs have them.
"$python" - <<'PYTHON'
import numpy as np
from PIL import Image

y, x = np.mgrid[:240, :320] / 240
calm = np.stack([255 * y, 128 + 100 * np.sin(5 * x), 255 * x / x.max()], axis=-1)
disc = np.hypot(x - 0.6, y - 0.5) < 0.3
noise = np.random.default_rng(1).normal(0, 8, calm.shape) * (x > 0.5)[..., None]
photograph = 128 + 60 * np.sin(9 * x + 4 * y)[..., None] * [1, 0.8, 0.5] - 70 * disc[..., None] + noise
for name, levels in (("calm", calm), ("photograph", photograph)):
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(f"{name}.png")
PYTHON
head -c 3000 /dev/urandom > file.bin

csfnns() { "$work/venv/bin/csfnns" "$@"; }
csfnns key new test.key
for name in calm photograph; do
  csfnns hide "$name.png" -k test.key -o "stego-$name.png"
  csfnns reveal "stego-$name.png" -k test.key -o "revealed-$name.png"
done
"$python" - <<'PYTHON'
import numpy as np
from PIL import Image

for name in ("calm", "photograph"):
    secret, revealed = (np.asarray(Image.open(f"{kind}{name}.png").convert("RGB"), float) for kind in ("", "revealed-"))
    assert secret.shape == revealed.shape, (name, secret.shape, revealed.shape)
    error = np.square(secret - revealed).mean()
    assert error < 65, f"{name} arrives with a mean squared error of {error:.1f}: below 30 dB"
PYTHON

csfnns hide file.bin -k test.key -o stego-file.png
csfnns reveal stego-file.png -k test.key -o revealed.bin
cmp file.bin revealed.bin
csfnns cover -k test.key
csfnns steganalysis score stego-photograph.png --detector stegexpose
echo "The bare package works."
