"""How a province knows which of its hubs leads (B2): one hub alone, the operator's file, Consul."""
