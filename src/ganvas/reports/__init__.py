"""Pages that show results; they compute nothing."""
