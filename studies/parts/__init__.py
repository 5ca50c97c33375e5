"""How well parts find what a person would mark: against labeled faces, and in the directions that they give."""
