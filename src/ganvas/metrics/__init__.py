"""Measures of pictures and of edits."""
