"""The familiarity study: which pictures a generator's warning holds for strange, and how well that tells them apart."""
