"""What loads an embedded StackStorm and watches it: a pack, a lean HTTP client, the server's processes."""
