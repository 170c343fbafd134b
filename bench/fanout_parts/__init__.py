"""The server processes of ``bench.fanout``, and the browsers at the other end."""
