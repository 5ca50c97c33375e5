"""Reading and writing generators: foreign files without running them, our own format, and the bundled weights."""
