"""Few-shot adaptation of a trained generator (Ojha et al. 2021)."""
