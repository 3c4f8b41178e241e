"""What this host has and lacks for each shape of each release, what that means, and the way that will be taken."""
