"""What may be asked of the hub, by whom."""
