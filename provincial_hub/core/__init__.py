"""Pure core of the province: events in, rows and commands out."""
