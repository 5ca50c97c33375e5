"""Dragging: points of an image are moved to where they should be, by its code. Each method is a `step` from one state
to the next; `session` runs them, `trace` writes down what was done.
"""
