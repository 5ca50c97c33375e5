"""What the feature network sees and what not, on images that it was not trained on."""
