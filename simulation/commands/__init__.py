"""The commands of ``yht`` that belong to no room of their own, a module each: a command loads what it needs alone."""
