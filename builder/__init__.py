"""boss-builder: freeze, rebuild, boot and validate releases of the BESIII offline software."""

__version__ = "0.1.0"
