"""The whole of Redrive, as its users meet it: real processes, real signals, real files."""
