"""Training of the feature network."""
