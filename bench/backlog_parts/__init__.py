"""The city of ``bench.backlog`` and the rows of its outage."""
