"""Plain ASGI layers around every request, routes or not."""
