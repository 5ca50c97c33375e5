"""What Ganvas claims about speed, as commands that print a ratio against a named reference in the same run."""
