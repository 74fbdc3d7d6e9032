"""In: the stores, through their ports. Out: pages and their JSON twins."""
