"""A release for people who have nothing of ours: images, inputs, checksums, and plain commands for all of it."""
