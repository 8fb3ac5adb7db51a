"""How much of the SDK's speed the HTTP service keeps, and how it behaves when too many ask."""
