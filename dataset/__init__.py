"""What the province remembers: identities, rows of record, measures, errors."""
