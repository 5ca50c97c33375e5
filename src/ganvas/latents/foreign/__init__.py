"""Latents and directions in files of others: arrays, archives, pickles and text, read without running anything."""
