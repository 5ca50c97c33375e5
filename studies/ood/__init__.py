"""The OOD study: which images are warned of, and how well the OOD score tells them from those of the generator's kind."""
