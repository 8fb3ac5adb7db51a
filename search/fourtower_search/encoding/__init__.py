"""From the parts of a query to embeddings: batched across callers, and remembered."""
