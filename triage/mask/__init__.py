"""In: Records. Out: MaskedRecords. Nothing raw leaves this room, and only this room constructs MaskedRecords."""
