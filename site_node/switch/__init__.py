"""The voice edge of a city: one port (``site_node.ports.Switch``), several forms."""
