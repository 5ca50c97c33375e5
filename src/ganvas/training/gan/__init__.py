"""Training of generators: DCGAN, BigGAN, R3GAN, StyleGAN2 and StyleGAN3."""
