"""Sketches to latents: images of a generator that show a drawing."""
