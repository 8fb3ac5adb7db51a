"""The catalog's way in: the event contract and the Kafka side. It imports no other package of Fourtower."""

__all__: list[str] = []
