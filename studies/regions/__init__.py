"""The study of regions: which directions they give, and what these depend on, on any generator with named regions."""
