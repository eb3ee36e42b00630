"""From a crop volume to an object in the generator's cube."""
