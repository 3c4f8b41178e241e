"""What is particular to miniboss 1.1.0; installed as `miniboss.release`."""  # noqa: N999 - the folder is named for the version

VERSION = "1.1.0"
