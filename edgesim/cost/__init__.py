"""Cost of work on a device: by the closed form of the edge paper (`analytic`) and step by step (`emulator`)."""
