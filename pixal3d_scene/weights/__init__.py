"""Network weights on this machine: which exist, where they are, how they get here, and whether they are whole."""
