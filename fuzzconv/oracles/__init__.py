"""Judges: each looks at a case and its evidence and returns a verdict or nothing."""
