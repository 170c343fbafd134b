"""One city: its contacts, queues, agents, menu, switch and desktops."""
