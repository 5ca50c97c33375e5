"""Photos refined in three ways, and what an edit changes afterwards."""
