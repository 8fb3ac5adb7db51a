"""The HTTP service: `router(client)` for an application of your own, `create_app(settings)` for one by itself."""
