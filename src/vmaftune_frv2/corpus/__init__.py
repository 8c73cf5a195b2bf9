"""Cells in, rows out: the plan, the measurement of one cell, the file of rows, the sweep over all."""
