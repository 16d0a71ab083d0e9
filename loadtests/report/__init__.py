"""What a run tells people and machines: one document, and it as text, Markdown, JUnit XML and a page."""
