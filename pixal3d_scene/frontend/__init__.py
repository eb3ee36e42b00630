"""From the photo to instances and metric depth: protocols and one adapter per model."""
