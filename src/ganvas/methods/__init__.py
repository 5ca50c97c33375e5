"""One paper, one file, one function ``find(...) -> Directions``."""
