# %% [markdown]
# # Hide and reveal
#
# A notebook in percent format: open it in VS Code, PyCharm or Jupyter (with jupytext), or run it as a
# program. Pictures are shown where the last line of a cell is one.

# %%
import numpy as np
from PIL import Image

import csfnns

# %% [markdown]
# A photograph, made up so that the notebook needs no file: slopes, a disc and some noise.

# %%
y, x = np.mgrid[:96, :128] / 128
levels = (
    np.stack([200 * y, 90 + 80 * np.sin(9 * x), 230 * x], axis=-1) - 60 * (np.hypot(x - 0.6, y - 0.4) < 0.2)[..., None]
)
levels += np.random.default_rng(1).normal(0, 4, levels.shape)
photo = np.clip(levels, 0, 255).astype(np.uint8)
Image.fromarray(photo)

# %% [markdown]
# Both ends share a key. Covers have 512x512 pixels by default; smaller ones are quicker and hold less.

# %%
key = csfnns.Key.new(csfnns.make_profile(width=256, height=256))
print("Compare these words at both ends:", csfnns.check_cover(key).fingerprint)

# %% [markdown]
# `hide` chooses a method, makes a fresh cover, and checks the stego as the receiver will read it. The
# result says what arrives.

# %%
hidden = csfnns.hide(photo, key)
arrival = hidden.receivers["receiver"]
print(f"The stego is {hidden.stego.psnr:.1f} dB from its cover.")
print(f"The receiver gets {arrival}.")
hidden

# %% [markdown]
# The receiver needs the stego and the key, nothing else. In practice, `hide(…, out="beach.png")` writes
# the file to send, and `reveal("beach.png", key)` reads it.

# %%
revealed = csfnns.reveal(hidden, key)
assert revealed.picture.shape == photo.shape
revealed

# %% [markdown]
# Files and text arrive byte for byte.

# %%
note = csfnns.reveal(csfnns.hide(csfnns.text("See you at noon."), key), key)
assert note.text == "See you at noon."
print(note.text, note.sent)

# %% [markdown]
# More clarity or fewer changes: name the method and its target.

# %%
clear = csfnns.hide(photo, key, method=csfnns.Trellis(recovered=42))
faint = csfnns.hide(photo, key, method=csfnns.Trellis(recovered=34))
for each in (clear, faint):
    print(f"stego {each.stego.psnr:.1f} dB, recovered {each.least_recovered:.1f} dB")
assert clear.stego.psnr < faint.stego.psnr

# %% [markdown]
# Another key reveals nothing.

# %%
stranger = csfnns.Key.new(csfnns.make_profile(width=256, height=256))
try:
    csfnns.reveal(hidden, stranger)
except csfnns.NoMessageError as error:
    print(error.message)
