"""What the first commands of the README do to photos as they are."""
