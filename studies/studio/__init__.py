"""Edits put back into photos: what stays, and what the edits look like at full size."""
