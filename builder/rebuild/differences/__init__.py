"""What differs between a rebuilt image and the stored one: down to layer, file and field."""

from builder.rebuild.differences.compare import compare_images
from builder.rebuild.differences.model import Comparison, Difference, ImageAt, Kind
from builder.rebuild.differences.text import as_text, summary

__all__ = ["Comparison", "Difference", "ImageAt", "Kind", "as_text", "compare_images", "summary"]
