"""The composition root: settings in, running service out. The only place that knows every adapter."""
