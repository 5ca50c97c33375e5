"""Regions: which part of a picture to change, described without pixels. Knows no generator."""

from ganvas.regions.region import Region as Region
