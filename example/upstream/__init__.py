"""The example upstream: makes and serves the RPM repositories that the example releases are frozen from.

Nothing here is part of the product; the product meets it only over http, as it would meet a real vault.
"""
