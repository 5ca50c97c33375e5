"""Whether photos can be edited: how near inversion and tuning come, and whether edits survive them."""
