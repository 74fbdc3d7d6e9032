"""The words of the product as types. Pure; standard library only."""
