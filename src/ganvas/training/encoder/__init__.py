"""Training of encoders: networks from images to latents."""
