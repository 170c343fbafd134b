"""The bureau's door: the operations of ``docs/console-api.md`` over HTTP and WebSocket."""
