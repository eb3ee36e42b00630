"""From assets to placements: scale, support, contact, the room shell."""
