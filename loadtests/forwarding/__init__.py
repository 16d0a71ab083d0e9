"""`bench forwarding`: how fast one relay, the warehouse's loader and the whole way are, each beside a peer."""
