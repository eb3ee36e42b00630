"""From a picture of an object, and the camera that took it, to what a flow model sees of them."""
