"""The index: versioned product rows that converge, over a store that is Milvus or plain memory."""
