"""BigGAN-deep (Brock et al. 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis")."""
