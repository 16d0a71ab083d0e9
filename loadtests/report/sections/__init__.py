"""The sections of the page, one to a file, each made of the document alone."""
