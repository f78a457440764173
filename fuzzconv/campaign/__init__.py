"""The campaign: time budget, worker processes, the Hypothesis loop and progress."""
