"""In: a name and a password, a token or a session. Out: a Principal, and what its role may do."""
