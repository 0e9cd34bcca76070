"""Devices: hardware profiles with sources, operating conditions, and fleets of them."""
