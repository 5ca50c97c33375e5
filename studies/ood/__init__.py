"""The OOD study: which images are warned of, and how well the OOD score tells them from the generator's kind."""
