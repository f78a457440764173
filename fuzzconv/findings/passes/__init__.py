"""Reduction passes: each proposes simpler variants of a case, the boldest first.

A pass is a plain function from a case to edits; it knows nothing of tools or failures. Many edits make no
valid model; ``rebuilt`` sorts those out before anything is judged. An edit's label says what it does in
terms of the case's parts, so that one that was refused isn't tried again in the same sweep.
"""
