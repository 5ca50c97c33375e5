"""Photos to codes of a generator."""
