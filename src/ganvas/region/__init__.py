"""Regions: which part of a picture to change, described without pixels. Knows no generator."""

from ganvas.region.region import Region as Region
