"""Training: GAN generators (`train`), few-shot adaptation (`adapt`), encoders (`encoder`), the feature network."""
