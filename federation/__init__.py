"""What the nodes of the province are, and what they say to each other."""
