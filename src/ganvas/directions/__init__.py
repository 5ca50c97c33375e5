"""Directions of a latent space: bases, Jacobians, solvers, and the methods, one paper a file."""
