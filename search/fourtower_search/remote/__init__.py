"""The client's side of a service: everything that a client asks goes over HTTP. It needs neither Milvus nor a model."""
