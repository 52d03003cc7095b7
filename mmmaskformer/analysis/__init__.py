"""What a model costs and what its queries stand for."""
