"""A node of the version before: what it says and what it understands."""
