"""The Docker Engine, through its SDK: images in, containers run, nothing left behind."""
