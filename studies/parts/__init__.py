"""How well parts find what a person would mark: against labelled faces, and in the directions that they give."""
