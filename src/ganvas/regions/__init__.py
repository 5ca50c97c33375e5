"""Regions: the part of an image to change, independent of its size. Knows no generator."""

from ganvas.regions.region import Region as Region
