"""Comparisons that users run on their own generator: inversion methods, drag methods."""
