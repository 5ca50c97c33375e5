"""Dragging: handles on an image are moved to their targets by optimizing its latent.

One paper a file (`draggan`, `freedrag`), each a pure ``step`` from one state to the next; `recovery` is what Ganvas
adds to FreeDrag, `session` runs drags in a row, `trace` writes them down for a replay.
"""
