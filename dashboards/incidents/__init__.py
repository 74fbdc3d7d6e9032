"""The list of incidents, the page of each, and what people do to them."""
