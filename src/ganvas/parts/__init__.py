"""Parts of a generator's images: found in its feature maps by clusters, by clicks, or by a few labels."""
