"""Sketches to pictures of a generator."""
