"""Fits the coefficients of `cost.steps` to measurements.

To published ones (`python -m edgesim.calibration FOLDER`) and to those of the machine that runs this (`this_machine`).
"""
