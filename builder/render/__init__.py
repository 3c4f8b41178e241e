"""Lock to text, through `templates/`: what is built, and how, for people to read and engines to run."""
