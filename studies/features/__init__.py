"""What the feature network sees and what not, on pictures that it was not trained on."""
