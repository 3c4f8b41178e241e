"""A machine behind nothing but a Bourne shell, whatever carries its streams."""
