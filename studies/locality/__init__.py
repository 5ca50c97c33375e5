"""How local our edits are: the change outside a region at equal change inside, against random directions."""
