"""In: call witnesses as they were kept. Out: calls, each counted once. Derived at reading time; the witnesses stay as they came."""
