"""``ganvas compare``: methods of dragging and inversion compared on your own generator."""

from cyclopts import App

app = App(name="compare", help="Compare methods of dragging and inversion on your own generator.")
