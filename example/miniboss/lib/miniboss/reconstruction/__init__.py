"""From what the detector recorded to tracks and showers."""
