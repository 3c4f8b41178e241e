"""Recipe to lock: fetch every input, check it, store it. The only room that uses the network."""
