"""Training a generator from a folder of pictures: DCGAN from scratch, StyleGAN2 from scratch or from another one."""
