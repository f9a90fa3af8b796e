"""The HTTP application around the slices: middleware, error table, documents."""
