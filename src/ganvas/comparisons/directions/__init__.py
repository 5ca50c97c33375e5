"""Methods for directions compared on one generator: what changes outside a region at equal change inside."""
