"""How near photos come in which space, by which loss: the table of the report on photo editing (001)."""
