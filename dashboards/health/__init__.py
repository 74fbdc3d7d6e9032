"""How partners and APIs fare, from the roll-ups."""
