"""Fitting, judging and exporting the regressors. The only room that imports torch."""
