"""Edits of latents: moves along directions, style mixing, interpolation."""
