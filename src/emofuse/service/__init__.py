"""The web service: REST, a WebSocket, and the page. It needs the extra [serve]."""
