"""DCGAN (Radford et al. 2016, "Unsupervised Representation Learning with DCGANs")."""
