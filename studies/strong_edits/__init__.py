"""How local strong edits stay: straight, corrected on the way, and followed."""
