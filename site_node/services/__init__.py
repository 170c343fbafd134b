"""What may be done in a city, and by whom."""
