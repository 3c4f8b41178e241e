"""Lock to stages to root to images. Nothing here uses the network."""
