"""The studio: one page in the browser on which a recipe is made by hand. Needs the extra ``studio``."""
