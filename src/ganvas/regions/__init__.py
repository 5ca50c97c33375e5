"""Regions: which part of an image to change, described without pixels. Knows no generator."""

from ganvas.regions.region import Region as Region
