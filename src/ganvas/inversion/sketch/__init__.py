"""Sketches to latents: images of a generator that match a drawing."""
