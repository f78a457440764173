"""One module per command; ``python -m fuzzconv`` without a command is ``fuzz``."""
