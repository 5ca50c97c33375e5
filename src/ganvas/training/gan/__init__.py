"""Training of generators: DCGAN and StyleGAN2."""
