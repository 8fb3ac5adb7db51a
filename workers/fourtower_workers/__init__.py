"""Where the packages meet: background workers and the `fourtower` command line."""

__all__: list[str] = []
