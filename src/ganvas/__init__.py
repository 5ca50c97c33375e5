"""Ganvas: edit pictures through the latent space of a GAN, locally and with reason."""
