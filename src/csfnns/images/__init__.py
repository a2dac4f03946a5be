"""Pictures: reading, writing, comparing and denoising them, and JPEG files by their coefficients."""
