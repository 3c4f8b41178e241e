"""A stand-in for the upstream of the real releases: the same layout, paths, package names and quirks; tiny packages.

Nothing of BOSS is in it, and no Enterprise Linux: what is asked for by the names of Scientific Linux and CentOS is made
of the small RPM system of `example.upstream`.
"""
