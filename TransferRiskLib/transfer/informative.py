"""From which score on a source model is taken to tell something about the target's labels."""

INFORMATIVE = 0.1
"""Normalised score. Unrelated contrasts were measured under 0.03, related ones over 0.3. Below it P(y|z) is
close to the labels' frequencies whatever the state, and so are the maps (`experiments/RESULTS.md`)."""
