"""The complaint desk: any ID or pasted text to an answer in plain words."""
