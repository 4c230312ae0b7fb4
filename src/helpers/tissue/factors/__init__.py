"""Factors of features: NMF, greedy selection, alignment with areas and densities."""
