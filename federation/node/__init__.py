"""What every node is made of: configuration, clock, journal, outbox and inbox, login, HTTP base, logs, metrics."""
