"""A whole province in one process on one clock: demo, replay, tests; and the yht command."""
