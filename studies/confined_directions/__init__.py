"""Directions for confined edits: how much more inside at the same seam, and the dial from local to global."""
