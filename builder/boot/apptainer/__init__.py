"""The shape sif: a container of Apptainer."""
