"""Generators behind one protocol; nothing outside this package knows an architecture."""
