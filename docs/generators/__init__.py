"""Reference pages made from the code: keys, methods, devices, columns and commands cannot drift from it."""
