"""Pickles and torch files read as data: no code in a file is ever run."""
