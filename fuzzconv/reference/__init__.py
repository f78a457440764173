"""What a model should compute, and how far a correct implementation may be from it."""
