"""Measures of images and of edits."""
