"""What is signed: statements (in-toto) on how an image was made, what its validation said, and what a release is."""
