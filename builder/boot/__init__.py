"""Image to machine: start a stored image with networking off, and get something to run commands in."""
