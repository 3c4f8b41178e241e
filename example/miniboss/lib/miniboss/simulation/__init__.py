"""What the toy detector records of generated particles."""
