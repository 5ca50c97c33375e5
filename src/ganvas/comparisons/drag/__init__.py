"""Drag methods compared: round trips, known displacements, where the content ends, and what else changes."""
