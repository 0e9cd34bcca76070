"""What work costs on a device: the closed form of the edge paper (`analytic`) and step by step (`emulator`)."""
