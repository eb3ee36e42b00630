"""What a person looks at: pictures, quality figures, the HTML page."""
