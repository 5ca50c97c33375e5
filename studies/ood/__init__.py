"""The familiarity study: which images a generator's warning holds for strange, and how well that tells them apart."""
