"""The JSON forms of requests, results and errors, which the service and its clients share."""
