"""Protocols that others can repeat: what is claimed about the methods, as functions that measure it."""
