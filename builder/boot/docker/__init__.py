"""The shape oci: a container of the Docker Engine."""
