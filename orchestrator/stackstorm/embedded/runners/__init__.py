"""The runners: how an action is run. What a pack may name and what is refused stands in `catalog`."""
