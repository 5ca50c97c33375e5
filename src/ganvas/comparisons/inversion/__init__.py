"""The comparison of inversion spaces and losses."""
