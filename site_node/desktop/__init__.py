"""What agents and supervisors reach of a city: operations and views, behind the node's door."""
