"""Which way of dragging is better when: round trips, known displacements, where the content goes, what else changes."""
