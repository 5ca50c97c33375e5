"""What may be given: ranges of numbers, and arguments checked once, at the door of a public function."""
