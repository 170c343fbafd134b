"""Pure core of a city: events in, rows and commands out."""
