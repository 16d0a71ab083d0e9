"""The stories, each a list of named steps over the domain and its ports."""
