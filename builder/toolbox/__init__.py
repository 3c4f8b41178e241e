"""The builder image: the container image that holds every build tool. Made once, kept in the store, used by digest."""
