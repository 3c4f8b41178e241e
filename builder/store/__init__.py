"""The store: an OCI image layout that holds inputs, images and evidence by sha256. Uses no other room but core."""
