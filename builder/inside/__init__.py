"""Programs that run inside the builder image, by its own Python and tools.

They stand on the standard library and on each other alone: the folder is mounted into the container as it is. Each
reads one JSON request on stdin and writes one JSON answer on stdout; what the tools say goes to stderr.
"""
