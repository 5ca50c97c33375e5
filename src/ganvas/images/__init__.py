"""Images and photos: decoding, pixels, sheets, video, alignment, datasets. Knows no generator."""
