"""Fits the coefficients of `cost.steps` to published measurements: `python -m edgesim.calibration FOLDER`."""
