"""Judge a booted image: the product's own suite and the recipe's run in it, and the evidence is kept with the image."""
