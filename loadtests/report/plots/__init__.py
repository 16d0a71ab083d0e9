"""The report's pictures, as SVG of our own: nothing to install, nothing to fetch, told apart without colours."""
