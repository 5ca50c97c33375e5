"""Training a generator from a folder of images: DCGAN from scratch, StyleGAN2 from scratch or from another one."""
